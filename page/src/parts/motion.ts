import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

const still = matchMedia("(prefers-reduced-motion: reduce)");
export const isStill = (): boolean => still.matches;

const MOVE = 380; // ms

/** Let the children of a list glide to their new places when its order changes. Children carry data-key. */
export function useGlide(list: RefObject<HTMLElement | null>): void {
  const places = useRef(new Map<string, number>());
  useLayoutEffect(() => {
    const next = new Map<string, number>();
    for (const child of list.current?.children ?? []) {
      const { key } = (child as HTMLElement).dataset;
      if (key === undefined) continue;
      const top = (child as HTMLElement).offsetTop;
      const before = places.current.get(key);
      next.set(key, top);
      if (isStill()) continue;
      if (before === undefined) {
        if (places.current.size) child.animate([{ opacity: 0 }, { opacity: 1 }], { duration: MOVE, easing: "ease-out" });
      } else if (before !== top) {
        const from = { transform: `translateY(${before - top}px)` };
        child.animate([from, { transform: "none" }], { duration: MOVE, easing: "cubic-bezier(.2,.7,.2,1)" });
      }
    }
    places.current = next;
  });
}

/** Whether an element is on the screen, or near it by a margin. */
export function useOnScreen(place: RefObject<Element | null>, margin = "0px"): boolean {
  const [on, setOn] = useState(false);
  useEffect(() => {
    const watch = new IntersectionObserver((entries) => setOn(entries.at(-1)!.isIntersecting), { rootMargin: margin });
    watch.observe(place.current!);
    return () => watch.disconnect();
  }, []);
  return on;
}

const MOST_BEHIND = 250; // ms of steps to catch up with after a pause

/** Call `step` so many times a second while `running`, in step with the screen. `n` is how many steps are due. */
export function useTicks(running: boolean, perSecond: number, step: (n: number) => void): void {
  const latest = useRef(step);
  latest.current = step;
  useEffect(() => {
    if (!running) return undefined;
    let last = performance.now();
    let owed = 0;
    let frame = requestAnimationFrame(function tick(now) {
      owed += (Math.min(now - last, MOST_BEHIND) / 1000) * perSecond;
      last = now;
      const due = Math.floor(owed);
      owed -= due;
      if (due) latest.current(due);
      frame = requestAnimationFrame(tick);
    });
    return () => cancelAnimationFrame(frame);
  }, [running, perSecond]);
}

/** The width of an element in CSS pixels, kept up to date. */
export function useWidth(place: RefObject<Element | null>, first = 640): number {
  const [width, setWidth] = useState(first);
  useLayoutEffect(() => {
    const measure = () => setWidth(Math.max(200, Math.round(place.current!.getBoundingClientRect().width)));
    measure();
    const watch = new ResizeObserver(measure);
    watch.observe(place.current!);
    return () => watch.disconnect();
  }, []);
  return width;
}
