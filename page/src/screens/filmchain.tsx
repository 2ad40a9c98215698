import { useEffect, useState } from "preact/hooks";
import { type Request, ask, post } from "../api";
import { Trace } from "../charts/trace";
import { counted, percent } from "../parts/bars";
import { Copies } from "../parts/copies";
import { Vessels } from "../parts/vessels";
import { heldFilms, idOf, itemOf, ratings, seed, unit, unitName } from "../state";
import { loadModel, loadPopular, titleOf } from "../taste";
import type { ItemId, ModelInfo } from "../types";
import { split } from "./taste";

const N_FILMS = 4; // with ten levels each, 10,000 states: few enough for exact frequencies
const MANY = 200; // half-steps at once
const N_TRACED = 200;

interface HalfStep {
  drawn: "hidden" | "visible";
  probabilities: number[][];
  tosses: number[];
  hidden: number[];
  levels: number[];
  energy: number;
}

interface Answer {
  levels: number[];
  half_steps: HalfStep[];
  next: "hidden" | "visible";
  step: number;
  exact: { n_states: number; levels: number[][]; hidden: number[] } | null;
}

interface Film {
  id: string;
  level: number | null; // its code
  held: boolean;
}

interface Chain {
  films: Film[];
  hidden: number[] | null;
  p: number[] | null; // of the hidden units, at their last toss
  next: "hidden" | "visible";
  step: number;
  energies: number[];
  counts: number[][]; // (films, levels)
  exact: number[][] | null;
}

const requestOf = ({ films, hidden, next, step }: Chain, n: number, exact: boolean): Request =>
  post("/gibbs", {
    visible: films.map(({ id, level, held }) => ({ item: itemOf(id), level, clamped: held })),
    hidden,
    next,
    step,
    n_half_steps: n,
    seed: seed.value,
    exact,
  });

function begun(films: Film[], n_levels: number): Chain {
  const counts = films.map(() => new Array<number>(n_levels).fill(0));
  return { films, hidden: null, p: null, next: "hidden", step: 0, energies: [], counts, exact: null };
}

function moved(from: Chain, answer: Answer): Chain {
  const counts = from.counts.map((row) => [...row]);
  for (const { drawn, levels } of answer.half_steps)
    if (drawn === "visible") levels.forEach((level, k) => counts[k]![level]!++);
  const last = answer.half_steps.at(-1)!;
  const tossed = answer.half_steps.findLast(({ drawn }) => drawn === "hidden");
  return {
    films: from.films.map((film, k) => ({ ...film, level: last.levels[k]! })),
    hidden: last.hidden,
    p: tossed ? tossed.probabilities.map(([p]) => p!) : from.p,
    next: answer.next,
    step: answer.step,
    energies: [...from.energies, ...answer.half_steps.map(({ energy }) => energy)].slice(-N_TRACED),
    counts,
    exact: answer.exact ? answer.exact.levels : from.exact,
  };
}

/** The same sampling in the machine that recommends: films with levels, tossed by the service. */
export function FilmChain() {
  const [model, setModel] = useState<ModelInfo | null>(null);
  const [chain, setChain] = useState<Chain | null>(null);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");
  const start = async () => {
    const found = await loadModel();
    if (found.kind !== "ratings") return; // there is no machine of ratings
    const { levels } = found.scale;
    const holding = heldFilms.peek().filter(({ rating }) => rating in levels);
    const kept = holding.map(({ id, rating }): Film => ({ id, level: rating, held: true }));
    const rated = ratings.peek().map(({ id, rating }): Film => ({ id, level: levels.indexOf(rating), held: false }));
    const own = [...kept, ...rated.filter(({ id }) => !kept.some((film) => film.id === id))];
    const others = (await loadPopular()).map(({ item_id }: { item_id: ItemId }): Film => ({ id: idOf(item_id), level: null, held: false }));
    const films = [...own, ...others.filter(({ id }) => !own.some((film) => film.id === id))].slice(0, N_FILMS);
    setModel(found);
    setChain(begun(films, levels.length));
  };
  useEffect(() => void start().catch((error: Error) => setProblem(error.message)), [ratings.value]);
  const asked = chain && JSON.stringify(chain.films.map(({ id, level, held }) => [id, held && level]));
  useEffect(() => {
    if (!chain || chain.exact || model?.n_units === 0) return;
    // the exact frequencies are there from the start; the half-step that comes with them is not made
    ask<Answer>(requestOf(chain, 1, true)).then(
      ({ exact }) => setChain((now) => (now && exact && !now.exact ? { ...now, exact: exact.levels } : now)),
      (error: Error) => setProblem(error.message),
    );
  }, [asked]);
  if (!model || !chain) return problem ? <p class="problem">{problem}</p> : null;
  if (model.n_units === 0) return null;
  const toss = async (n: number) => {
    setBusy(true);
    try {
      setChain(moved(chain, await ask<Answer>(requestOf(chain, n, chain.exact === null))));
      setProblem("");
    } catch (error) {
      setProblem((error as Error).message);
    }
    setBusy(false);
  };
  const hold = (k: number) => {
    const film = chain.films[k]!;
    const others = heldFilms.value.filter(({ id }) => id !== film.id);
    heldFilms.value = film.held ? others : [...others, { id: film.id, rating: film.level! }];
    setChain({
      ...begun(chain.films.map((film, i) => (i === k ? { ...film, held: !film.held } : film)), model.scale.levels.length),
      hidden: chain.hidden,
      p: chain.p,
      next: chain.next,
      step: chain.step,
    });
  };
  return (
    <section class="card compared" aria-labelledby="filmchain-title">
      <header>
        <h3 id="filmchain-title">The same, in the machine that recommends</h3>
        <span class="soft small">{counted(chain.step, "half-step")}</span>
      </header>
      <p class="note">
        Here a visible unit is a film, and its state is one of the star levels. The hidden units toss as above; then every film
        draws its stars. Only films that somebody rated are there at all. Hold one, and the others follow.
      </p>
      <ul class="film-chain">
        {chain.films.map((film, k) => (
          <FilmRow key={film.id} film={film} values={model.scale.levels} counts={chain.counts[k]!} exact={chain.exact?.[k]} busy={busy} onHold={() => hold(k)} />
        ))}
      </ul>
      {chain.p && chain.hidden && (
        <Vessels
          label="Hidden units of the films' machine, filled to their probability; the line shows on or off"
          units={chain.p.map((p, j) => ({ unit: j, level: p, mark: chain.hidden![j]! ? 0.97 : 0.03, name: unitName(j) }))}
          plain
          onPick={(j) => {
            unit.value = j;
            location.hash = "units";
          }}
        />
      )}
      {chain.energies.length > 1 && <Trace
          values={chain.energies}
          length={N_TRACED}
          label="Energy of the films' chain, in nats"
          yTitle="energy, nats"
          xTitle={`the last ${N_TRACED} half-steps, now at the right`}
          empty=""
          height={90}
        />}
      {problem && <p class="problem">{problem}</p>}
      <div class="row">
        <button type="button" class="primary" disabled={busy} onClick={() => void toss(1)}>
          Toss the {chain.next === "hidden" ? "hidden units" : "stars"}
        </button>
        <button type="button" disabled={busy} onClick={() => void toss(MANY)}>
          {MANY} half-steps
        </button>
      </div>
      <p class="note">Bars: levels drawn so far. Outline: exact, by enumeration of all levels of the films that are not held.</p>
      <Copies
        request={requestOf(chain, 20, true)}
        python={`import json, urllib.request\n\nbody = json.loads(${JSON.stringify(JSON.stringify(requestOf(chain, 20, true).body))})\nrequest = urllib.request.Request("${location.origin}/api/v1/gibbs", json.dumps(body).encode(),\n                                 {"content-type": "application/json"})\nfor step in json.load(urllib.request.urlopen(request))["half_steps"]:\n    print(step["drawn"], step["levels"], step["energy"])`}
      />
    </section>
  );
}

interface FilmRowProps {
  film: Film;
  values: number[];
  counts: number[];
  exact: number[] | undefined;
  busy: boolean;
  onHold: () => void;
}

function FilmRow({ film, values, counts, exact, busy, onHold }: FilmRowProps) {
  const total = counts.reduce((sum, n) => sum + n, 0);
  const sampled = counts.map((n) => (total ? n / total : 0));
  const most = Math.max(0.05, ...sampled, ...(exact ?? []));
  const { name, year } = split(titleOf(film.id), null);
  return (
    <li>
      <div class="title">
        {name} {year !== null && <span class="soft">{year}</span>}
        <p class="soft small">{film.level === null ? "not drawn yet" : `now ${values[film.level]} of ${values.at(-1)}`}</p>
      </div>
      <ul class="levels" aria-label="Levels drawn so far">
        {values.map((value, k) => (
          <li key={value} class={k === film.level ? "now" : ""}>
            <span class="pillar" aria-hidden="true">
              {exact && <span class="old" style={{ height: `${(100 * exact[k]!) / most}%` }} />}
              <span class="new" style={{ height: `${(100 * sampled[k]!) / most}%` }} />
            </span>
            <span class="level">{value}</span>
            <span class="hidden-text">
              {percent(sampled[k]!)} drawn{exact && `, exact ${percent(exact[k]!)}`}
            </span>
          </li>
        ))}
      </ul>
      <button type="button" aria-pressed={film.held} disabled={busy || film.level === null} aria-label={`Hold ${name} at its stars`} onClick={onHold}>
        Hold
      </button>
    </li>
  );
}
