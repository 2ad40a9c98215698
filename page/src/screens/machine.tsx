import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { ask, asPython, post } from "../api";
import { Lines, Plot } from "../charts/plot";
import { Trace } from "../charts/trace";
import { counted, signed } from "../parts/bars";
import { Choice } from "../parts/choice";
import { N_TRACED, type Pair, type Runner, move, runner, tracks } from "../lanes";
import { Copies } from "../parts/copies";
import { Waiting, useMade } from "../parts/making";
import { isStill, useOnScreen, useTicks, useWidth } from "../parts/motion";
import { Picture } from "../parts/pixels";
import * as physics from "../physics";
import { random } from "../random";
import { type GeneralMachine, type Learnt, type Mixing, type RestrictedMachine, newMachine, small } from "../small";
import { mixingIn, seed } from "../state";
import { Remembering } from "./remembering";

const N_STAGES = 8; // of learning, after each of which forgetting is measured
const N_UPDATES = 250; // in a stage
const RATE = 0.5;
const N_SWEEPS = 600;
const TURNS_PER_SECOND = 28;
const WORST_SHOWN = -3.6; // log-likelihood; before that, little is learnt and all is forgotten at once
const [EARLY, LATE] = [3, 6]; // stages of the restricted machine for the race: before, it knows little; later it hardly leaves a valley

type Any = RestrictedMachine | GeneralMachine;

interface Stage<M extends Any> {
  machine: M;
  log_likelihood: number;
  mixing: Mixing;
}

interface School<M extends Any> {
  stages: Stage<M>[];
  seconds: number; // of learning
  turns: number; // of a sweep
  ties: number;
}

const mixingRequest = (machine: Any) => post("/lab/mixing", { machine, n_sweeps: N_SWEEPS });

/** Learn in stages, and measure after each how fast the machine forgets. */
async function school<M extends Any>(kind: M["kind"], n_hidden: number): Promise<School<M>> {
  let machine = await newMachine<M>(kind, n_hidden, 0);
  const stages: Stage<M>[] = [];
  let seconds = 0;
  for (let k = 0; k < N_STAGES; k++) {
    const asked = { machine, rule: "exact", n_updates: N_UPDATES, learning_rate: RATE, record_every: N_UPDATES };
    const found = await ask<Learnt<M>>(post("/lab/learn", asked));
    machine = found.machine;
    const { seconds: spent, log_likelihood } = found.curve.at(-1)!;
    seconds += spent;
    stages.push({ machine, log_likelihood, mixing: await ask<Mixing>(mixingRequest(machine)) });
  }
  const n = machine.b.length;
  return { stages, seconds, turns: machine.kind === "restricted" ? 2 : n, ties: machine.kind === "restricted" ? n * n_hidden : (n * (n - 1)) / 2 };
}

interface Both {
  restricted: School<RestrictedMachine>;
  whole: School<GeneralMachine>;
}

const N_RESTRICTED = 6; // hidden units: 54 ties
const N_GENERAL = 2; // 55 ties

async function make(): Promise<Both> {
  const restricted = await school<RestrictedMachine>("restricted", N_RESTRICTED);
  return { restricted, whole: await school<GeneralMachine>("general", N_GENERAL) };
}

export function Machine() {
  const frame = useRef<HTMLDivElement>(null);
  const here = useOnScreen(frame);
  const [wanted, setWanted] = useState(false);
  useEffect(() => {
    if (here) setWanted(true);
  }, [here]);
  return (
    <div ref={frame}>
      <p class="lead">
        Hinton and Sejnowski's first Boltzmann machine had no layers: every unit could be tied to every other. That is the richer
        machine, and one that cannot hurry. A unit's probability hangs on all the others, so only one may toss at a time, and
        everybody else must wait: a sweep takes as many turns as there are units.
      </p>
      <p class="lead">
        The <em>restricted</em> machine gives up the ties within a layer. In return a whole layer tosses at once, and a sweep takes
        two turns. Here are both, on the same pictures, at stages of learning when they know most nearly as much, taking their turns
        at the same pace.
      </p>
      {wanted && <Loaded />}
    </div>
  );
}

/** The stages at which both machines know most nearly as much. */
function even({ restricted, whole }: Both): [Stage<RestrictedMachine>, Stage<GeneralMachine>] {
  const pairs = restricted.stages
    .slice(EARLY - 1, LATE)
    .flatMap((one) => whole.stages.map((other): [Stage<RestrictedMachine>, Stage<GeneralMachine>] => [one, other]));
  const apart = ([one, other]: (typeof pairs)[number]) => Math.abs(one.log_likelihood - other.log_likelihood);
  return pairs.reduce((best, pair) => (apart(pair) < apart(best) ? pair : best));
}

function Loaded() {
  const made = useMade(make);
  const stages = useMemo(() => made.value && even(made.value), [made.value]);
  if (!made.value || !stages) return <Waiting problem={made.problem}>Two machines are learning bars and stripes…</Waiting>;
  const [restricted, whole] = stages.map(({ machine }) => machine) as [RestrictedMachine, GeneralMachine];
  const turns = [made.value.restricted.turns, made.value.whole.turns];
  return (
    <>
      <Race restricted={restricted} whole={whole} turns={turns} levels={stages.map((one) => one.log_likelihood)} />
      <Remembering restricted={restricted} whole={whole} turns={turns} />
      <Forgetting both={made.value} />
      <Copies
        request={mixingRequest(restricted)}
        python={`from urllib.request import Request, urlopen\nimport json\n\nbody = ${asPython(mixingRequest(whole).body)}\nrequest = Request("${location.origin}/api/v1/lab/mixing", json.dumps(body).encode(), {"content-type": "application/json"})\nprint(json.load(urlopen(request))["half_life"])`}
      />
    </>
  );
}

function Race({ restricted, whole, turns, levels }: Pair & { levels: number[] }) {
  const [running, setRunning] = useState(false);
  const frame = useRef<HTMLDivElement>(null);
  const here = useOnScreen(frame);
  const data = useMade(small);
  const lanes = useMemo(() => tracks(restricted, whole), [restricted, whole]);
  const patterns = useMemo(() => new Set(data.value?.patterns ?? []), [data.value]);
  const tosses = useRef(random(seed.value));
  const n = restricted.b.length;
  const fresh = (): [Runner, Runner] => [runner(n + restricted.c.length), runner(whole.b.length)];
  const [runners, setRunners] = useState(fresh);
  useEffect(() => {
    if (here && !isStill()) setRunning(true);
  }, [here]);
  const step = (times: number) =>
    setRunners(([a, b]) => [
      move(a, lanes[0], patterns, n, times, tosses.current),
      move(b, lanes[1], patterns, n, times, tosses.current),
    ]);
  useTicks(running && here, TURNS_PER_SECOND, step);
  const names = ["Restricted: two layers", "Standard: every unit tied to every other"];
  return (
    <div ref={frame} class="stack">
      <div class="row">
        <button type="button" class="primary" onClick={() => setRunning(!running)}>
          {running ? "Pause" : "Run both"}
        </button>
        <button
          type="button"
          onClick={() => {
            setRunning(false);
            step(1);
          }}
        >
          One turn
        </button>
        <button type="button" class="plain" onClick={() => setRunners(fresh())}>
          Start over
        </button>
      </div>
      <div class="cols two even">
        {runners.map((one, k) => (
          <figure class="card" key={k}>
            <h3>{names[k]}</h3>
            {k === 0 ? <Layers machine={restricted} now={one} /> : <Circle machine={whole} now={one} />}
            <div class="row nowrap">
              <Picture state={physics.stateOf(one.s.slice(0, n))} side={3} label="Its picture now" />
              <p class="small">
                It has learnt the pictures up to {signed(levels[k]!, 2)} nats. A sweep takes <b>{turns[k]}</b> turns. After {counted(one.turn, "turn")}: <b>{counted(one.pictures, "sweep")}</b>, another bar or
                stripe <b>{counted(one.changed, "time")}</b>.
              </p>
            </div>
            <Trace
              values={one.energies}
              length={N_TRACED}
              label="Energy of the last turns, in nats"
              yTitle="energy, nats"
              xTitle={`the last ${N_TRACED} turns, now at the right`}
              empty="Run both, and the energy is drawn here."
              height={90}
            />
          </figure>
        ))}
      </div>
    </div>
  );
}

const R = 9;

function Layers({ machine, now }: { machine: RestrictedMachine; now: Runner }) {
  const place = useRef<HTMLDivElement>(null);
  const width = useWidth(place, 420);
  const height = 230;
  const [n, m] = [machine.b.length, machine.c.length];
  const at = (i: number): [number, number] =>
    i < n ? [(width * (i + 0.5)) / n, height - 40] : [(width * (i - n + 0.5)) / m, 40];
  const ties = machine.W.flatMap((row, i) => row.map((w, j): Tie => [i, n + j, w]));
  return (
    <div ref={place}>
      <Graph width={width} height={height} at={at} ties={ties} now={now} n={n} label="Network of two layers" />
    </div>
  );
}

function Circle({ machine, now }: { machine: GeneralMachine; now: Runner }) {
  const place = useRef<HTMLDivElement>(null);
  const width = useWidth(place, 420);
  const height = 230;
  const N = machine.b.length;
  const at = (i: number): [number, number] => {
    const angle = (2 * Math.PI * (i + 0.5)) / N - Math.PI / 2;
    return [width / 2 + Math.cos(angle) * Math.min(width / 2 - 14, 150), height / 2 + Math.sin(angle) * (height / 2 - 14)];
  };
  const ties = machine.J.flatMap((row, i) => row.slice(0, i).map((w, j): Tie => [i, j, w]));
  return (
    <div ref={place}>
      <Graph width={width} height={height} at={at} ties={ties} now={now} n={machine.n_visible} label="Network with all ties" />
    </div>
  );
}

type Tie = [number, number, number];

interface GraphProps {
  width: number;
  height: number;
  at: (i: number) => [number, number];
  ties: Tie[];
  now: Runner;
  n: number;
  label: string;
}

function Graph({ width, height, at, ties, now, n, label }: GraphProps) {
  const most = Math.max(...ties.map(([, , w]) => Math.abs(w)));
  const drawn = new Set(now.drawn);
  const lines = useMemo(
    () =>
      ties.map(([i, j, w]) => {
        const [[x1, y1], [x2, y2]] = [at(i), at(j)];
        return <line key={`${i}-${j}`} class={w < 0 ? "tie minus" : "tie plus"} x1={x1} y1={y1} x2={x2} y2={y2} stroke-width={(3.5 * Math.abs(w)) / most} />;
      }),
    [width],
  );
  return (
    <svg class="network" viewBox={`0 0 ${width} ${height}`} width={width} height={height} role="img" aria-label={label}>
      {lines}
      {now.s.map((on, i) => {
        const [x, y] = at(i);
        return (
          <g key={i} class={`node${on ? " on" : ""}${drawn.has(i) ? " drawn" : ""}`}>
            {i < n ? <rect x={x - R} y={y - R} width={2 * R} height={2 * R} rx={3} /> : <circle cx={x} cy={y} r={R} />}
            {drawn.has(i) && (i < n ? <rect class="halo" x={x - R - 4} y={y - R - 4} width={2 * R + 8} height={2 * R + 8} rx={5} /> : <circle class="halo" cx={x} cy={y} r={R + 4} />)}
          </g>
        );
      })}
    </svg>
  );
}

type Unit = "turns" | "sweeps" | "time";
const AXES: Record<Unit, string> = {
  turns: "half forgotten after so many turns",
  sweeps: "half forgotten after so many sweeps",
  time: "half forgotten after so many milliseconds, measured",
};

function halfLife({ mixing }: Stage<Any>, turns: number, by: Unit): number {
  const sweeps = mixing.half_life ?? Number.NaN;
  if (by === "sweeps") return sweeps;
  return by === "turns" ? sweeps * turns : sweeps * mixing.seconds_per_sweep * 1000;
}

/** How long each machine takes to forget, as it learns more. */
function Forgetting({ both }: { both: Both }) {
  const by: Unit = mixingIn.value in AXES ? (mixingIn.value as Unit) : "turns";
  const schools: [string, School<Any>][] = [
    ["restricted", both.restricted],
    ["standard", both.whole],
  ];
  const series = schools.map(([name, { stages, turns }], k) => ({
    name,
    kind: k ? "c" : "a",
    points: stages
      .map((stage): [number, number] => [stage.log_likelihood, halfLife(stage, turns, by)])
      .filter(([x, y]) => y > 0 && x > WORST_SHOWN),
    left: k === 0,
  }));
  const values = series.flatMap(({ points }) => points);
  const levels = values.map(([x]) => x);
  const lives = values.map(([, y]) => y);
  const goal = Math.min(...schools.map(([, { stages }]) => Math.max(...stages.map((one) => one.log_likelihood))));
  const nearest = schools.map(([, { stages, turns }]) => {
    const one = stages.reduce((best, stage) =>
      Math.abs(stage.log_likelihood - goal) < Math.abs(best.log_likelihood - goal) ? stage : best,
    );
    return { sweeps: halfLife(one, turns, "sweeps"), turns: halfLife(one, turns, "turns") };
  });
  return (
    <section class="card compared" aria-labelledby="forgetting-title">
      <header>
        <h3 id="forgetting-title">The more it knows, the longer it takes to forget where it began</h3>
        <Choice label="In" options={(["turns", "sweeps", "time"] as Unit[]).map((one) => [one, one])} value={by} onChoose={(value) => (mixingIn.value = value)} />
      </header>
      <Plot
        label="Half-life of both machines against what they have learnt"
        x={[Math.min(...levels), Math.max(...levels)]}
        y={[Math.min(...lives) * 0.8, Math.max(...lives) * 1.3]}
        logY
        xTitle="log-likelihood, nats a picture: further right, better learnt"
        yTitle={AXES[by]}
        right={76}
        height={290}
      >
        {(area) => (
          <>
            <Lines area={area} series={series} />
            {series.flatMap(({ kind, points }) =>
              points.map(([x, y]) => <circle key={`${kind}${x}`} class={`mark ${kind}`} cx={area.x(x)} cy={area.y(y)} r={4} />),
            )}
          </>
        )}
      </Plot>
      <p class="note">
        Exact: not one chain but the whole distribution is moved on from the empty picture. The machines have {both.restricted.ties} and{" "}
        {both.whole.ties} ties. At {signed(goal, 2)} nats the restricted one has forgotten half after {nearest[0]!.sweeps} sweeps, that is{" "}
        {nearest[0]!.turns} turns; the standard one after {nearest[1]!.sweeps} sweeps, {nearest[1]!.turns} turns. Learning took{" "}
        {both.restricted.seconds.toFixed(2)} and {both.whole.seconds.toFixed(2)} seconds.
      </p>
      <p class="note">
        So what does the restriction buy? Not richer pictures, and on nine pixels not even faster forgetting. It buys the sweep of two
        turns, however many units there are: a standard machine of ten thousand films would take ten thousand turns. And shown a
        picture, its hidden units are known exactly in one turn, where the standard machine must run a chain before it can begin to
        learn.
      </p>
    </section>
  );
}
