import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";

/** What a promise brings, or why it does not. */
export function useMade<T>(make: () => Promise<T>, key: unknown = 0): { value: T | null; problem: string } {
  const [made, setMade] = useState<{ value: T | null; problem: string }>({ value: null, problem: "" });
  useEffect(() => {
    let here = true;
    make().then(
      (value) => here && setMade({ value, problem: "" }),
      (error: Error) => here && setMade({ value: null, problem: error.message }),
    );
    return () => {
      here = false;
    };
  }, [key]);
  return made;
}

/** A place holder while something is being made. */
export function Waiting({ problem, children }: { problem: string; children: ComponentChildren }) {
  return problem ? <p class="problem">{problem}</p> : <p class="waiting">{children}</p>;
}
