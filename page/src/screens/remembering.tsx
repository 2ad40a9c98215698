import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Lines, Plot } from "../charts/plot";
import { type Pair, type Runner, move, runner, tracks } from "../lanes";
import { isStill, useOnScreen } from "../parts/motion";
import * as physics from "../physics";
import { random } from "../random";
import { seed } from "../state";

const NO_PATTERNS = new Set<number>();
const MEASURED = 40_000; // turns of each machine
const AT_ONCE = 4_000; // between two pictures
const SHORT = 40; // turns shown at least

/** The pixels after each sweep of both machines, as many turns as they have made. */
interface Measured {
  runners: [Runner, Runner];
  traces: [number[][], number[][]]; // of each pixel
}

/** How long each machine remembers its picture, measured on chains that run now. */
export function Remembering({ restricted, whole, turns }: Pair) {
  const frame = useRef<HTMLElement>(null);
  const here = useOnScreen(frame, "50% 0px");
  const lanes = useMemo(() => tracks(restricted, whole), [restricted, whole]);
  const n = restricted.b.length;
  const tosses = useRef(random(seed.value));
  const nothing = () => Array.from({ length: n }, (): number[] => []);
  const fresh = (): Measured => ({ runners: [runner(n + restricted.c.length), runner(whole.b.length)], traces: [nothing(), nothing()] });
  const [now, setNow] = useState<Measured>(fresh);
  const made = now.runners[0].turn;
  const measure = (from: Measured, times: number): Measured => {
    const [first, second] = lanes.map((lane, k) => {
      let one = from.runners[k]!;
      const traces = from.traces[k]!.map((trace) => [...trace]);
      for (let left = times; left > 0; left -= turns[k]!) {
        one = move(one, lane, NO_PATTERNS, n, turns[k]!, tosses.current);
        for (let i = 0; i < n; i++) traces[i]!.push(one.s[i]!);
      }
      return { one, traces };
    });
    return { runners: [first!.one, second!.one], traces: [first!.traces, second!.traces] };
  };
  useEffect(() => {
    if (!here || made >= MEASURED) return undefined;
    const next = requestAnimationFrame(() => setNow(measure(now, isStill() ? MEASURED : AT_ONCE)));
    return () => cancelAnimationFrame(next);
  }, [here, now]);
  const found = useMemo(() => (made ? now.traces.map((traces) => physics.memory(traces)) : []), [now]);
  const series = found.map(({ correlation }, k) => ({
    name: k ? "standard" : "restricted",
    kind: k ? "c" : "a",
    points: correlation.map((rho, lag): [number, number] => [lag * turns[k]!, rho]),
  }));
  const points = series.flatMap((one) => one.points);
  const cost = (k: number) => `${found[k]!.reliable ? "" : "at least "}${Math.round(found[k]!.time * turns[k]!).toLocaleString("en")} turns`;
  return (
    <section class="card compared" ref={frame} aria-labelledby="remembering-title">
      <header>
        <h3 id="remembering-title">How long each remembers its picture, measured on two chains that run now</h3>
        <button type="button" disabled={made < MEASURED} onClick={() => setNow(fresh())}>
          Measure again
        </button>
      </header>
      <Plot
        label="Autocorrelation of the pixels of both machines"
        x={[0, Math.max(SHORT, ...points.map(([lag]) => lag))]}
        y={[Math.min(-0.1, ...points.map(([, rho]) => rho)), 1]}
        xTitle="turns later"
        yTitle="autocorrelation of the pixels: 1, still the same picture; 0, any"
        right={84}
      >
        {(area) => <Lines area={area} series={series} />}
      </Plot>
      {found.length > 0 && (
        <p class="note" role="status">
          After {made.toLocaleString("en")} turns of each: a picture that owes nothing to the last one costs the restricted machine{" "}
          {cost(0)}, the standard one {cost(1)} (the integrated autocorrelation time).
        </p>
      )}
    </section>
  );
}
