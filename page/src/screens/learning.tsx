import { scaleLinear } from "d3-scale";
import { line } from "d3-shape";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { ask, asPython, post } from "../api";
import { Lines, Plot, type Series } from "../charts/plot";
import { counted, signed } from "../parts/bars";
import { Choice } from "../parts/choice";
import { Copies } from "../parts/copies";
import { Waiting, useMade } from "../parts/making";
import { isStill, useOnScreen, useWidth } from "../parts/motion";
import { Glyph } from "../parts/pixels";
import { stateOf } from "../physics";
import { type Landscape, type Learnt, N_HIDDEN, type RestrictedMachine, type Small, landscapeOf, newMachine, small } from "../small";
import { rule, seed, updates } from "../state";
import { type Terrain, terrain } from "../terrain";

const RATE = 0.4;
const SPREAD = 0.5; // of the first weights: enough to leave the flat start soon
const HEIGHT = 280;
const REACH = 4; // neighbours to each side that the drawn curve is averaged over
const WORST = 16; // nats: what is more surprising is drawn alike
const RULES = {
  cd1: { name: "CD-1", rule: "cd", n_steps: 1 },
  cd10: { name: "CD-10", rule: "cd", n_steps: 10 },
  pcd: { name: "Persistent", rule: "pcd", n_steps: 1 },
} as const;
type Rule = keyof typeof RULES;
const ruleOf = (text: string): Rule => (text in RULES ? (text as Rule) : "cd1");

export function Learning() {
  const made = useMade(small);
  return (
    <>
      <p class="lead">
        To learn is to reshape the landscape: what the data show must become likely, so its energy goes down. But if everything
        went down together, nothing would be gained. So the machine also dreams, and what it dreams goes <em>up</em>. When dreams
        and data look alike, the two pushes cancel, and learning is done.
      </p>
      <p class="lead">
        An honest dream takes a long chain. <em>Contrastive divergence</em> is the short cut: start at the data, take one sweep,
        and call that the dream.
      </p>
      {made.value ? (
        <>
          <Glance small={made.value} />
          <Beats small={made.value} />
        </>
      ) : (
        <Waiting problem={made.problem}>The small machine is learning…</Waiting>
      )}
      <Compared />
    </>
  );
}

interface Lesson {
  machine: RestrictedMachine;
  chains: number[][] | null;
  update: number;
  before: Landscape;
  round: { learnt: Learnt<RestrictedMachine>; after: Landscape } | null; // the update whose beats are shown
}

function learnRequest(lesson: Pick<Lesson, "machine" | "chains" | "update">, which: Rule, n_updates: number) {
  const { rule: kind, n_steps } = RULES[which];
  const { machine, chains, update } = lesson;
  const body = { machine, rule: kind, n_steps, n_updates, learning_rate: RATE, update, seed: seed.value, record_every: 1000 };
  return post("/lab/learn", kind === "pcd" ? { ...body, chains } : body);
}

async function lessonAt(which: Rule, n: number): Promise<Lesson> {
  const machine = await newMachine<RestrictedMachine>("restricted", N_HIDDEN, seed.value, SPREAD);
  const fresh: Lesson = { machine, chains: null, update: 0, before: await landscapeOf(machine), round: null };
  return n ? learnOn(fresh, which, n) : fresh;
}

async function learnOn(from: Lesson, which: Rule, n: number): Promise<Lesson> {
  let now = from;
  for (let left = n; left > 0; left -= 1000) {
    const { machine, chains, update } = await ask<Learnt<RestrictedMachine>>(learnRequest(now, which, Math.min(left, 1000)));
    now = { ...now, machine, chains, update };
  }
  return { ...now, before: await landscapeOf(now.machine), round: null };
}

async function withRound(from: Lesson, which: Rule): Promise<Lesson> {
  const learnt = await ask<Learnt<RestrictedMachine>>(learnRequest(from, which, 1));
  return { ...from, round: { learnt, after: await landscapeOf(learnt.machine) } };
}

const GLANCED = 250; // updates before the one that is shown: valleys are there, and not yet deep
const PANELS: [string, string][] = [
  ["The data", "Fourteen pictures are to become likely: here the energy is to go down."],
  ["The dream", "From each the machine takes one sweep. Where it ends, the energy is to go up."],
  ["The push", "Both at once. Where a dream ends on a picture of the data, the pushes cancel."],
  ["The new landscape", "After one update, exact, over the ghost of the old one. Thousands of these dig the valleys."],
];

/** One update in four pictures, for those who read on without touching anything. */
function Glance({ small: { landscape, data, patterns } }: { small: Small }) {
  const land = useMemo(() => terrain(landscape.free_energy), [landscape]);
  const [lesson, setLesson] = useState<Lesson | null>(null);
  useEffect(() => void lessonAt("cd1", GLANCED).then((found) => withRound(found, "cd1")).then(setLesson, () => undefined), []);
  return (
    <ol class="glance" aria-label="One update of contrastive divergence in four beats">
      {PANELS.map(([title, text], k) => (
        <li key={title} class="card">
          <h3>
            <span class="soft">{k + 1}</span> {title}
          </h3>
          {lesson ? (
            <Surprise land={land} lesson={lesson} beat={k + 1} patterns={patterns} side={data.side} height={150} bare />
          ) : (
            <p class="waiting" aria-hidden="true" />
          )}
          <p class="note">{text}</p>
        </li>
      ))}
    </ol>
  );
}

const PLAYED = 40; // updates between two whose beats are played
const MOST_PLAYED = 600; // updates after which playing ends
const BEAT = 1300; // ms

const BEATS = [
  "Now: how surprised the machine is at each of the 512 pictures. Low is likely.",
  "Beat 1, the data. Blue discs: the 14 bars and stripes. Their hidden units are worked out; here energy is to go down.",
  "Beat 2, the dream. From each picture the chain runs on; orange squares: where it ended. Here energy is to go up.",
  "Beat 3, the push. Down at the data, up at the dreams; where both meet, the pushes cancel.",
  "Beat 4, the new landscape, exact, over the ghost of the old one.",
];

function Beats({ small }: { small: Small }) {
  const frame = useRef<HTMLDivElement>(null);
  const here = useOnScreen(frame);
  return (
    <div ref={frame} class="stack">
      <Lessons small={small} here={here} />
    </div>
  );
}

function Lessons({ small: { landscape, data, patterns }, here }: { small: Small; here: boolean }) {
  const land = useMemo(() => terrain(landscape.free_energy), [landscape]);
  const which = ruleOf(rule.value);
  const [lesson, setLesson] = useState<Lesson | null>(null);
  const [beat, setBeat] = useState(0);
  const [playing, setPlaying] = useState(false);
  const [busy, setBusy] = useState(true);
  const [problem, setProblem] = useState("");
  const ticket = useRef(0);
  const follow = (made: Promise<Lesson>, nextBeat: number) => {
    setBusy(true);
    const mine = ++ticket.current;
    made.then(
      (next) => {
        if (mine !== ticket.current) return; // something else was asked for meanwhile
        setLesson(next);
        setBeat(nextBeat);
        updates.value = next.update;
        setBusy(false);
        setProblem("");
      },
      (error: Error) => {
        setProblem(error.message);
        setBusy(false);
      },
    );
  };
  useEffect(() => follow(lessonAt(which, Math.round(updates.peek())), 0), [which]);
  useEffect(() => {
    if (here && !isStill() && !updates.peek()) setPlaying(true);
  }, [here]);
  useEffect(() => {
    if (!playing || !here || busy || problem || !lesson) return undefined;
    if (lesson.update >= MOST_PLAYED) {
      setPlaying(false);
      return undefined;
    }
    const timer = setTimeout(() => (beat === 4 ? more(PLAYED) : next()), beat ? BEAT : BEAT / 3);
    return () => clearTimeout(timer);
  }, [playing, here, busy, beat, lesson, problem]);
  const settled = (from: Lesson): Lesson =>
    from.round && beat === 4
      ? { machine: from.round.learnt.machine, chains: from.round.learnt.chains, update: from.round.learnt.update, before: from.round.after, round: null }
      : { ...from, round: null };
  const next = () => {
    if (!lesson) return;
    if (beat === 0 || beat === 4) follow(withRound(settled(lesson), which), 1);
    else setBeat(beat + 1);
  };
  const more = (n: number) => lesson && follow(learnOn(settled(lesson), which, n), 0);
  const byHand = (act: () => void) => () => {
    setPlaying(false);
    act();
  };
  if (!lesson) return <Waiting problem={problem}>…</Waiting>;
  const shown = beat === 4 && lesson.round ? lesson.round.after : lesson.before;
  const best = data.best_log_likelihood;
  return (
    <>
      <figure class="card">
        <div class="row spread">
          <Choice
            label="Dreams by"
            options={Object.entries(RULES).map(([key, { name }]) => [key as Rule, name])}
            value={which}
            onChoose={(value) => {
              setBusy(true);
              updates.value = 0;
              rule.value = value;
            }}
          />
          <p class="small soft score" role="status">
            {counted(lesson.update + (beat === 4 ? 1 : 0), "update")} · log-likelihood <b>{signed(shown.log_likelihood ?? 0, 3)}</b>
            {beat === 4 && lesson.round && (
              <> ({signed((shown.log_likelihood ?? 0) - (lesson.before.log_likelihood ?? 0), 3)})</>
            )}{" "}
            of at most {signed(best, 3)}
          </p>
        </div>
        <Surprise land={land} lesson={lesson} beat={beat} patterns={patterns} side={data.side} />
        <p class="beat" role="status">
          {BEATS[beat]}
        </p>
        <div class="row">
          <button type="button" class="primary" disabled={busy && !playing} onClick={byHand(next)}>
            {beat === 0 || beat === 4 ? "First beat" : "Next beat"}
          </button>
          <button type="button" aria-pressed={playing} onClick={() => setPlaying(!playing)}>
            {playing ? "Pause" : "Play"}
          </button>
          <button type="button" disabled={busy && !playing} onClick={byHand(() => more(20))}>
            Learn 20 updates
          </button>
          <button type="button" disabled={busy && !playing} onClick={byHand(() => more(200))}>
            Learn 200
          </button>
          <button type="button" class="plain" disabled={busy && !playing} onClick={byHand(() => follow(lessonAt(which, 0), 0))}>
            Forget all
          </button>
        </div>
        {problem && <p class="problem">{problem}</p>}
        <figcaption>
          The surprise is -log p(picture), in nats, exact over all 512: the thin line, and the thick one averaged for the eye. The
          places are those of the landscape above, so that one sees its valleys being dug.
        </figcaption>
      </figure>
      <Copies
        request={learnRequest(lesson, which, 1)}
        python={`from urllib.request import Request, urlopen\nimport json\n\nbody = ${asPython(learnRequest(lesson, which, 1).body)}\nrequest = Request("${location.origin}/api/v1/lab/learn", json.dumps(body).encode(), {"content-type": "application/json"})\nprint(json.load(urlopen(request))["fantasies"])`}
      />
    </>
  );
}

interface SurpriseProps {
  land: Terrain;
  lesson: Lesson;
  beat: number;
  patterns: number[];
  side: number;
  height?: number;
  bare?: boolean; // without numbers and pictures below, for a small one
}

/** The surprise at every picture, with the data, the dreams and the pushes of one update. */
function Surprise({ land, lesson, beat, patterns, side, height = HEIGHT, bare = false }: SurpriseProps) {
  const place = useRef<HTMLDivElement>(null);
  const width = useWidth(place, 1000);
  const foot = bare ? 24 : 44;
  const left = bare ? 6 : 34;
  const surprise = (one: Landscape) => one.probability.map((p) => -Math.log(Math.max(p, 1e-12)));
  const before = useMemo(() => surprise(lesson.before), [lesson.before]);
  const after = useMemo(() => (lesson.round ? surprise(lesson.round.after) : before), [lesson.round, before]);
  const x = scaleLinear([0, before.length - 1], [left, width - 6]);
  const seen = [...before, ...after].filter((one) => one < WORST);
  const y = scaleLinear([Math.min(...seen) - 0.3, Math.max(...seen) + 0.3], [height - foot - 8, 20]).clamp(true);
  const drawn = (values: number[]) => line<number>((_, k) => x(k), (state) => y(values[state]!))(land.order)!;
  /** Averaged over neighbours of the same valley, for the eye; the thin line behind is exact. */
  const smoothed = (values: number[]): number[] => {
    const out = new Array<number>(values.length);
    land.order.forEach((state, k) => {
      const valley = land.valley[state]!;
      const [from, to] = [Math.max(land.edges[valley]!, k - REACH), Math.min(land.edges[valley + 1]! - 1, k + REACH)];
      out[state] = land.order.slice(from, to + 1).reduce((sum, one) => sum + values[one]!, 0) / (to - from + 1);
    });
    return out;
  };
  const spot = (state: number, values = before): [number, number] => [x(land.place[state]!), y(values[state]!)];
  const dreams = count((lesson.round?.learnt.fantasies ?? []).map(stateOf));
  const size = Math.min(24, (width / land.bottoms.length) * 0.7);
  return (
    <div ref={place}>
      {!bare && <p class="axis-title">surprise, nats: lower is more likely</p>}
      <svg class="surprise" viewBox={`0 0 ${width} ${height}`} width={width} height={height} role="img" aria-label={`Surprise at each picture. ${BEATS[beat]}`}>
        {(bare ? [] : y.ticks(4)).map((tick) => (
          <g key={tick} class="grid">
            <line x1={left} x2={width - 6} y1={y(tick)} y2={y(tick)} />
            <text x={left - 6} y={y(tick) + 4} text-anchor="end">
              {tick}
            </text>
          </g>
        ))}
        {!bare && <path class="grain" d={drawn(beat === 4 ? after : before)} />}
        <path class={beat === 4 ? "ghost" : "ridge"} d={drawn(smoothed(before))} />
        {beat === 4 && <path class="ridge" d={drawn(smoothed(after))} />}
        {beat >= 2 && beat < 4 && [...dreams].map(([state, n]) => <Dream key={state} at={spot(state)} n={n} push={beat === 3} />)}
        {beat >= 1 &&
          patterns.map((state) => {
            const [cx, cy] = spot(state, beat === 4 ? after : before);
            return (
              <g key={state}>
                {beat === 3 && <path class="push plus" d={arrow(cx, cy + 8, 1)} />}
                <circle class="datum" cx={cx} cy={cy} r={bare ? 4 : 5} />
              </g>
            );
          })}
        {!bare &&
          land.bottoms.map((bottom, k) => {
            const middle = (x(land.edges[k]!) + x(land.edges[k + 1]! - 1)) / 2;
            const room = Math.min(size, (x(land.edges[k + 1]! - 1) - x(land.edges[k]!)) * 0.9);
            return room >= 9 && <Glyph key={bottom} state={bottom} side={side} size={room} x={middle - room / 2} y={height - foot + 14} />;
          })}
      </svg>
    </div>
  );
}

function Dream({ at: [cx, cy], n, push }: { at: [number, number]; n: number; push: boolean }) {
  const half = 3.5 + Math.sqrt(n);
  return (
    <g>
      {push && <path class="push minus" d={arrow(cx, cy - half - 3, -1)} />}
      <rect class="dream" x={cx - half} y={cy - half} width={2 * half} height={2 * half} />
    </g>
  );
}

const arrow = (x: number, y: number, down: 1 | -1): string =>
  `M${x},${y}v${16 * down}m-4,${-5 * down}l4,${5 * down}l4,${-5 * down}`;

function count(states: number[]): Map<number, number> {
  const found = new Map<number, number>();
  for (const state of states) found.set(state, (found.get(state) ?? 0) + 1);
  return found;
}

const WAYS = [
  { name: "CD-1", kind: "a", body: { rule: "cd", n_steps: 1 } },
  { name: "CD-10", kind: "b", body: { rule: "cd", n_steps: 10 } },
  { name: "persistent", kind: "c", body: { rule: "pcd", n_steps: 1, n_chains: 100 } },
  { name: "full chain", kind: "d", body: { rule: "cd", n_steps: 100 } }, // 100 sweeps: what these machines take to forget where they began
  { name: "exact", kind: "e", body: { rule: "exact" } },
];
const N_COMPARED = 600; // updates
const AT_ONCE = 200; // of them in one request
const FIRST_SECOND = 1e-4; // where the time axis begins

type Run = Series & { seconds: [number, number][] };

async function run(machine: RestrictedMachine, { name, kind, body }: (typeof WAYS)[number]): Promise<Run> {
  const done: Run = { name, kind, points: [], seconds: [] };
  let now: { machine: RestrictedMachine; chains: number[][] | null } = { machine, chains: null };
  let spent = 0;
  for (let update = 0; update < N_COMPARED; update += AT_ONCE) {
    const asked = { ...body, machine: now.machine, chains: now.chains, update, n_updates: AT_ONCE, learning_rate: RATE, record_every: 5, seed: seed.peek() };
    const found = await ask<Learnt<RestrictedMachine>>(post("/lab/learn", asked));
    const fresh = update ? found.curve.slice(1) : found.curve; // a request's first point is the last one's end
    done.points.push(...fresh.map((one): [number, number] => [one.update, one.log_likelihood]));
    done.seconds.push(...fresh.map((one): [number, number] => [Math.max(FIRST_SECOND, spent + one.seconds), one.log_likelihood]));
    spent += found.curve.at(-1)!.seconds;
    now = found;
  }
  return done;
}

async function compare(report: (runs: Run[]) => void): Promise<void> {
  const machine = await newMachine<RestrictedMachine>("restricted", N_HIDDEN, seed.peek(), SPREAD);
  const runs: Run[] = [];
  for (const way of WAYS) {
    runs.push(await run(machine, way));
    report([...runs]);
  }
}

/** The short cuts and the whole way, from one seed. */
function Compared() {
  const frame = useRef<HTMLElement>(null);
  const here = useOnScreen(frame, "100% 0px");
  const [runs, setRuns] = useState<Run[] | null>(null);
  const [problem, setProblem] = useState("");
  const coming = WAYS[runs?.length ?? 0];
  useEffect(() => {
    if (here && !runs) {
      setRuns([]);
      compare(setRuns).catch((error: Error) => setProblem(error.message));
    }
  }, [here]);
  const longest = Math.max(0.01, ...(runs ?? []).flatMap((run) => run.seconds.map(([x]) => x)));
  const lowest = Math.min(-6.5, ...(runs ?? []).flatMap(({ points }) => points.map(([, y]) => y)));
  return (
    <section class="card compared" ref={frame} aria-labelledby="compared-title">
      <header>
        <h3 id="compared-title">The short cut, and what it costs</h3>
        <span class="soft small" role="status">
          {coming && !problem ? `${coming.name} is learning…` : ""}
        </span>
      </header>
      {problem && <p class="problem">{problem}</p>}
      <div class="cols two even">
        <Plot
          label="Exact log-likelihood of five ways of learning, update by update"
          x={[0, N_COMPARED]}
          y={[lowest, -2.5]}
          xTitle="updates"
          yTitle="exact log-likelihood, nats a picture"
          right={84}
          height={300}
        >
          {(area) => <Lines area={area} series={runs ?? []} />}
        </Plot>
        <Plot
          label="The same against the time that learning took"
          x={[FIRST_SECOND, longest]}
          y={[lowest, -2.5]}
          logX
          xTitle="time of learning, measured by this service"
          yTitle="the same, against time"
          right={84}
          height={300}
          xFormat={seconds}
        >
          {(area) => <Lines area={area} series={(runs ?? []).map((run) => ({ ...run, points: run.seconds }))} />}
        </Plot>
      </div>
      <p class="note">
        All five start from the same machine and seed; the full chain takes a hundred sweeps. One sweep learns nearly as much an
        update as a hundred, at a hundredth of the work, but its dreams stay near the data: in the end the short chains fall behind
        the exact gradient, which only a machine this small can afford. The second picture shows what each costs.
      </p>
    </section>
  );
}

const seconds = (tick: number): string => (tick >= 1 ? `${tick} s` : `${Number((tick * 1000).toPrecision(3))} ms`);
