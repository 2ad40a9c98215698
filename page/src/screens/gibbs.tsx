import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { post } from "../api";
import { Trace } from "../charts/trace";
import { percent } from "../parts/bars";
import { Copies } from "../parts/copies";
import { Waiting, useMade } from "../parts/making";
import { isStill, useOnScreen, useTicks, useWidth } from "../parts/motion";
import { Picture } from "../parts/pixels";
import { Slider } from "../parts/slider";
import * as physics from "../physics";
import { random } from "../random";
import { type Small, SMALL_IN_PYTHON, small } from "../small";
import { clamps, seed, speed } from "../state";
import { FilmChain } from "./filmchain";

const SPEEDS = [1, 2, 4, 10, 60, 600, 6000]; // half-steps a second
const N_TRACED = 160;

export function Gibbs() {
  const made = useMade(small);
  return (
    <>
      <p class="lead">
        A restricted Boltzmann machine has two layers, and ties run between the layers only. So, given the pixels, every hidden
        unit can decide on its own; and given the hidden units, every pixel. Each works out a probability, tosses a number between
        0 and 1, and is on if the toss falls below. One layer, then the other: that is <em>Gibbs sampling</em>, and it is all the
        thinking the machine does.
      </p>
      <p class="lead">
        Nothing here knows the rules of bars and stripes. Yet in the long run each picture comes up exactly as often as its energy
        says. Hold a pixel on or off, and the machine fills in the rest.
      </p>
      {made.value ? <Chain small={made.value} /> : <Waiting problem={made.problem}>The small machine is learning…</Waiting>}
      <FilmChain />
    </>
  );
}

interface State {
  v: number[];
  h: number[];
  pv: number[] | null; // probabilities and tosses of the last half-step of each layer
  uv: number[] | null;
  ph: number[] | null;
  uh: number[] | null;
  next: "hidden" | "visible";
  steps: number;
  energies: number[];
  counts: number[]; // of visible states, after each of their half-steps
}

const parse = (text: string, n: number): physics.Clamp =>
  Array.from({ length: n }, (_, i) => (text[i] === "1" ? 1 : text[i] === "0" ? 0 : null));

function Chain({ small: { machine, data, patterns, landscape } }: { small: Small }) {
  const n = data.n_visible;
  const m = machine.c.length;
  const clamp = parse(clamps.value, n);
  const tosses = useRef(random(seed.value));
  const begin = (): State => ({
    v: physics.bitsOf(0b101_010_110, n).map((on, i) => clamp[i] ?? on),
    h: new Array<number>(m).fill(0),
    pv: null,
    uv: null,
    ph: null,
    uh: null,
    next: "hidden",
    steps: 0,
    energies: [],
    counts: new Array<number>(2 ** n).fill(0),
  });
  const [state, setState] = useState<State>(begin);
  const [running, setRunning] = useState(false);
  const frame = useRef<HTMLDivElement>(null);
  const here = useOnScreen(frame);
  const touched = useRef(false);
  useEffect(() => {
    if (here && !isStill() && !touched.current) setRunning(true);
  }, [here]);
  const step = (times: number) => setState((now) => advance(machine, now, clamp, times, tosses.current));
  useTicks(running && here, SPEEDS[Math.round(speed.value)]!, step);
  const hold = (i: number) => {
    const next: (0 | 1 | null)[] = clamp.map((one, k) => (k !== i ? one : one === null ? 1 : one === 1 ? 0 : null));
    clamps.value = next.some((one) => one !== null) ? next.map((one) => one ?? "-").join("") : "";
    setState((now) => ({ ...now, v: now.v.map((on, k) => next[k] ?? on), counts: now.counts.map(() => 0) }));
  };
  const byHand = (action: () => void) => () => {
    touched.current = true;
    action();
  };
  const exact = useMemo(() => physics.distribution(landscape.free_energy, 1, clamp), [landscape, clamps.value]);
  return (
    <>
      <div class="cols wide-left" ref={frame}>
        <figure class="card">
          <Network machine={machine} state={state} clamp={clamp} onHold={hold} />
          <div class="row">
            <button type="button" class="primary" onClick={byHand(() => setRunning(!running))}>
              {running ? "Pause" : "Run"}
            </button>
            <button
              type="button"
              onClick={byHand(() => {
                setRunning(false);
                step(1);
              })}
            >
              Toss the {state.next === "hidden" ? "hidden units" : "pixels"}
            </button>
            <button
              type="button"
              class="plain"
              onClick={byHand(() => {
                tosses.current = random(seed.value);
                clamps.value = "";
                setState(begin());
              })}
            >
              Start over
            </button>
          </div>
          <Slider
            label="Speed"
            value={speed.value}
            least={0}
            most={SPEEDS.length - 1}
            step={1}
            shown={`${SPEEDS[Math.round(speed.value)]!.toLocaleString("en")} half-steps a second`}
            onChange={(value) => (speed.value = value)}
          />
          <figcaption>
            Each unit is a vessel filled to its probability; the line across is its toss. Line under water: on (ringed). Whole{" "}
            <b class="plus">blue</b> ties make two units agree, dashed <b class="minus">orange</b> ones keep them apart. Click a pixel
            to hold it on, then off, then let it go.
          </figcaption>
        </figure>
        <div class="stack">
          <section class="card" aria-labelledby="trace-title">
            <header>
              <h3 id="trace-title">Energy, half-step by half-step</h3>
              <span class="soft small">{state.steps.toLocaleString("en")} tossed</span>
            </header>
            <Trace
              values={state.energies}
              length={N_TRACED}
              label="Energy of the last half-steps, in nats"
              yTitle="energy, nats"
              xTitle={`the last ${N_TRACED} half-steps, now at the right`}
              empty="Run it, or toss once, and its energy is drawn here."
            />
          </section>
          <Frequencies counts={state.counts} exact={exact} patterns={patterns} side={data.side} />
        </div>
      </div>
      <Copies
        request={post("/lab/gibbs", { machine, visible: state.v, n_steps: 20, seed: seed.value, clamped: clamp.flatMap((c, i) => (c === null ? [] : [i])) })}
        python={`${SMALL_IN_PYTHON}\nchain = ask("gibbs", {"machine": machine, "visible": ${JSON.stringify(state.v)}, "n_steps": 20, "seed": ${seed.value}})\nfor step in chain["steps"]:\n    print(step["step"], step["visible"], step["hidden"], step["energy"])`}
      />
    </>
  );
}

function advance(machine: physics.Restricted, from: State, clamp: physics.Clamp, times: number, toss: () => number): State {
  const now: State = { ...from, energies: [...from.energies], counts: times > 1 ? [...from.counts] : from.counts.slice() };
  for (let k = 0; k < times; k++) {
    if (now.next === "hidden") {
      const drawn = physics.toss(physics.hiddenFields(machine, now.v), machine.c.map(toss));
      Object.assign(now, { h: drawn.on, ph: drawn.p, uh: drawn.u, next: "visible" });
    } else {
      const drawn = physics.toss(physics.visibleFields(machine, now.h), machine.b.map(toss), 1, clamp);
      Object.assign(now, { v: drawn.on, pv: drawn.p, uv: drawn.u, next: "hidden" });
      now.counts[physics.stateOf(now.v)]!++;
    }
    now.steps++;
    now.energies.push(physics.energy(machine, now.v, now.h));
  }
  now.energies = now.energies.slice(-N_TRACED);
  return now;
}

interface NetworkProps {
  machine: physics.Restricted;
  state: State;
  clamp: physics.Clamp;
  onHold: (i: number) => void;
}

function Network({ machine, state, clamp, onHold }: NetworkProps) {
  const place = useRef<HTMLDivElement>(null);
  const width = useWidth(place, 600);
  const [n, m] = [machine.b.length, machine.c.length];
  const r = Math.max(12.5, Math.min(24, width / (2.5 * n)));
  const gap = Math.min(230, Math.max(150, width * 0.34));
  const [top, bottom] = [r + 26, r + 26 + gap];
  const x = (k: number, of: number) => r + 4 + ((width - 2 * r - 8) * (k + 0.5)) / of;
  const most = Math.max(...machine.W.flat().map(Math.abs));
  const fresh = state.steps === 0 ? null : state.next === "visible" ? "hidden" : "visible";
  const ties = useMemo(
    () =>
      machine.W.flatMap((row, i) =>
        row.map((w, j) => (
          <line
            key={`${i}-${j}`}
            class={w < 0 ? "tie minus" : "tie plus"}
            x1={x(j, m)}
            y1={top + r}
            x2={x(i, n)}
            y2={bottom - r}
            stroke-width={(4.5 * Math.abs(w)) / most}
          />
        )),
      ),
    [machine, width],
  );
  return (
    <div ref={place}>
      <svg class="network" viewBox={`0 0 ${width} ${bottom + r + 30}`} width={width} height={bottom + r + 30} role="group" aria-label="The network: hidden units above, pixels below">
        <g aria-hidden="true">{ties}</g>
        <text x={4} y={14}>
          hidden units
        </text>
        <text x={4} y={bottom + r + 24}>
          pixels 1 to {n}, row by row
        </text>
        {state.h.map((on, j) => (
          <Vessel key={j} id={`h${j}`} x={x(j, m)} y={top} r={r} on={on} p={state.ph?.[j]} u={state.uh?.[j]} fresh={fresh === "hidden"} />
        ))}
        {state.v.map((on, i) => (
          <g
            key={i}
            class="knob"
            role="button"
            tabindex={0}
            aria-label={`Pixel ${i + 1}, ${on ? "on" : "off"}${clamp[i] == null ? "" : ", held"}`}
            onClick={() => onHold(i)}
            onKeyDown={(event) => {
              if (event.key !== "Enter" && event.key !== " ") return;
              event.preventDefault();
              onHold(i);
            }}
          >
            <Vessel
              id={`v${i}`}
              x={x(i, n)}
              y={bottom}
              r={r}
              on={on}
              p={clamp[i] == null ? state.pv?.[i] : clamp[i]!}
              u={clamp[i] == null ? state.uv?.[i] : undefined}
              fresh={fresh === "visible"}
              held={clamp[i] != null}
            />
          </g>
        ))}
      </svg>
      <div class="gibbs-picture">
        <Picture state={physics.stateOf(state.v)} side={Math.sqrt(n)} label="The picture that the pixels make now" />
      </div>
    </div>
  );
}

interface VesselProps {
  id: string;
  x: number;
  y: number;
  r: number;
  on: number;
  p: number | undefined;
  u: number | undefined;
  fresh: boolean; // drawn in the last half-step
  held?: boolean;
}

function Vessel({ id, x, y, r, on, p, u, fresh, held = false }: VesselProps) {
  const level = (share: number) => y + r - 2 * r * share;
  return (
    <g class={`cell${on ? " on" : ""}${fresh ? " fresh" : ""}${held ? " held" : ""}`}>
      <clipPath id={`clip-${id}`}>
        <circle cx={x} cy={y} r={r} />
      </clipPath>
      <circle class="back" cx={x} cy={y} r={r} />
      {p !== undefined && <rect class="fill" clip-path={`url(#clip-${id})`} x={x - r} y={level(p)} width={2 * r} height={2 * r * p} />}
      {u !== undefined && <line class="toss" x1={x - r} x2={x + r} y1={level(u)} y2={level(u)} clip-path={`url(#clip-${id})`} />}
      <circle class="rim" cx={x} cy={y} r={r} />
      {held && <rect class="pin" x={x - 5} y={y + r - 4} width={10} height={8} rx={2} />}
    </g>
  );
}

interface FrequencyProps {
  counts: number[];
  exact: number[];
  patterns: number[];
  side: number;
}

/** How often each picture came up, beside how often it must. */
function Frequencies({ counts, exact, patterns, side }: FrequencyProps) {
  const total = counts.reduce((sum, k) => sum + k, 0);
  const sampled = counts.map((k) => (total ? k / total : 0));
  const others = (p: number[]) => 1 - patterns.reduce((sum, state) => sum + p[state]!, 0);
  const rows = patterns.map((state) => ({ state, p: exact[state]!, q: sampled[state]! }));
  const most = Math.max(...rows.map(({ p, q }) => Math.max(p, q)), others(exact), total ? others(sampled) : 0);
  const apart = physics.totalVariation(exact, sampled);
  return (
    <section class="card" aria-labelledby="frequencies-title">
      <header>
        <h3 id="frequencies-title">How often each picture comes up</h3>
        <span class="soft small">{total ? `${percent(apart)} apart after ${total.toLocaleString("en")}` : "nothing tossed yet"}</span>
      </header>
      <ul class="frequencies">
        {rows.map(({ state, p, q }) => (
          <Frequency key={state} p={p} q={q} most={most}>
            <Picture state={state} side={side} label={`picture ${state}`} />
          </Frequency>
        ))}
        <Frequency p={others(exact)} q={total ? others(sampled) : 0} most={most}>
          <span class="small">all other</span>
        </Frequency>
      </ul>
      <p class="note">Bars: sampled. Outline: exact, over all 512 pictures. With pixels held, both are among the pictures that fit.</p>
    </section>
  );
}

function Frequency({ p, q, most, children }: { p: number; q: number; most: number; children: ComponentChildren }) {
  return (
    <li>
      <span class="pillar" aria-hidden="true">
        <span class="new" style={{ height: `${(100 * q) / most}%` }} />
        <span class="old" style={{ height: `${(100 * p) / most}%` }} />
      </span>
      {children}
      <span class="hidden-text">
        sampled {percent(q)}, exact {percent(p)}
      </span>
    </li>
  );
}
