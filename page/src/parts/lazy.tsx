import type { ComponentType } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

/** Loads a screen when it comes near the window, so that the first screen is there at once. */
export function Lazy({ id, load, eager }: { id: string; load: () => Promise<ComponentType>; eager: boolean }) {
  const [Part, setPart] = useState<ComponentType | null>(null);
  const [problem, setProblem] = useState("");
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const start = () => load().then((part) => setPart(() => part), (error: Error) => setProblem(error.message));
    if (eager) {
      void start();
      return undefined;
    }
    const near = new IntersectionObserver(
      (entries) => {
        if (!entries.some((entry) => entry.isIntersecting)) return;
        near.disconnect();
        void start();
      },
      { rootMargin: "60% 0px" },
    );
    near.observe(place.current!);
    return () => near.disconnect();
  }, []);
  return (
    <div ref={place} data-screen={id}>
      {problem && <p class="problem">This screen could not be loaded: {problem}</p>}
      {Part ? <Part /> : <p class="waiting" aria-hidden="true" />}
    </div>
  );
}
