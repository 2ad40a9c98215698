import { useEffect, useRef, useState } from "preact/hooks";
import { type Request, ask, askOnce } from "../api";

export interface Answer<T> {
  value: T | null; // the last one that came, kept while the next is on its way
  problem: string;
  waiting: boolean;
}

/** The answer to a request that changes; null asks nothing. An answer that comes too late is dropped. */
export function useAnswer<T>(request: Request | null): Answer<T> {
  const [answer, setAnswer] = useState<Answer<T>>({ value: null, problem: "", waiting: request !== null });
  const key = request && JSON.stringify(request);
  const first = useRef(true);
  useEffect(() => {
    if (!request) return undefined;
    const stop = new AbortController();
    if (!first.current) setAnswer((now) => ({ ...now, waiting: true }));
    first.current = false;
    ask<T>(request, stop.signal).then(
      (value) => stop.signal.aborted || setAnswer({ value, problem: "", waiting: false }),
      (error: Error) => stop.signal.aborted || setAnswer((now) => ({ ...now, problem: error.message, waiting: false })),
    );
    return () => stop.abort();
  }, [key]);
  return answer;
}

/** The answer to a GET that does not change while the page is open. */
export function useConstant<T>(path: string): Answer<T> {
  const [answer, setAnswer] = useState<Answer<T>>({ value: null, problem: "", waiting: true });
  useEffect(() => {
    let here = true;
    askOnce<T>(path).then(
      (value) => here && setAnswer({ value, problem: "", waiting: false }),
      (error: Error) => here && setAnswer({ value: null, problem: error.message, waiting: false }),
    );
    return () => {
      here = false;
    };
  }, [path]);
  return answer;
}
