import { useEffect, useRef, useState } from "preact/hooks";
import { useAnswer } from "../parts/asking";
import { MINUS, Share, counted, percent, points } from "../parts/bars";
import { Copies } from "../parts/copies";
import { useGlide } from "../parts/motion";
import { Search } from "../parts/search";
import { Stars, StarValue } from "../parts/stars";
import { Vessels } from "../parts/vessels";
import { idOf, notSeen, rate, ratings, sayNotSeen, unit, unitName, unrate, why } from "../state";
import {
  type Example,
  N_LISTED,
  activations,
  activationsRequest,
  known,
  loadExamples,
  loadModel,
  loadPopular,
  meet,
  meetRated,
  pythonOf,
  recommendRequest,
  titleOf,
} from "../taste";
import type { Activation, Item, ModelInfo, Place, Recommendations } from "../types";

const N_ASKED = 6; // films asked about at a time

export function Taste() {
  const [model, setModel] = useState<ModelInfo | null>(null);
  const [popular, setPopular] = useState<Item[]>([]);
  const [examples, setExamples] = useState<Example[]>([]);
  const [problem, setProblem] = useState("");
  useEffect(() => {
    loadModel().then(
      (found) => {
        setModel(found);
        loadExamples(found).then(setExamples, () => setExamples([])); // other films: no examples
      },
      (error: Error) => setProblem(error.message),
    );
    loadPopular().then(setPopular, (error: Error) => setProblem(error.message));
  }, []);
  useEffect(() => void meetRated(), [ratings.value]);
  return (
    <>
      <p class="lead">
        Give stars to films you know. <em>Not seen</em> is an answer too: a film you did not see is left out of the sum, it does
        not count as a zero. Each answer shifts the hidden units, and the hidden units reorder the list.
      </p>
      {problem && <p class="problem">{problem}</p>}
      <Examples examples={examples} />
      <div class="cols two">
        <div class="stack">
          {model && <Asking levels={model.scale.levels} popular={popular} />}
          {model && ratings.value.length > 0 && <YourRatings levels={model.scale.levels} />}
        </div>
        <div class="stack">
          <List model={model} />
          {model && model.n_units > 0 && <Hidden />}
        </div>
      </div>
      <Copies
        request={recommendRequest.value}
        python={pythonOf(model, `for film in recommender.recommend(history, n=${N_LISTED}):\n    print(film.title, film.rating, film.probability_of_liking)`)}
      />
    </>
  );
}

function Examples({ examples }: { examples: Example[] }) {
  const take = ({ rated }: Example) => {
    meet(rated.map(({ item }) => item));
    notSeen.value = [];
    ratings.value = rated.map(({ item, rating }) => ({ id: idOf(item.item_id), rating }));
  };
  if (!examples.length && !ratings.value.length) return <div class="row examples" />;
  return (
    <div class="row examples" role="group" aria-label="Example tastes">
      {examples.length > 0 && <span class="soft">Or try someone's taste:</span>}
      {examples.map((example) => (
        <button type="button" key={example.name} onClick={() => take(example)}>
          {example.name}
        </button>
      ))}
      {ratings.value.length > 0 && (
        <button
          type="button"
          class="plain"
          onClick={() => {
            ratings.value = [];
            notSeen.value = [];
            why.value = "";
          }}
        >
          Start over
        </button>
      )}
    </div>
  );
}

function Asking({ levels, popular }: { levels: number[]; popular: Item[] }) {
  const [rows, setRows] = useState<string[]>([]);
  const list = useRef<HTMLUListElement>(null);
  const open = (): string[] => {
    const answered = new Set([...ratings.peek().map(({ id }) => id), ...notSeen.peek()]);
    return popular.map((item) => idOf(item.item_id)).filter((id) => !answered.has(id));
  };
  useEffect(() => setRows(open().slice(0, N_ASKED)), [popular]);
  const given = new Map(ratings.value.map(({ id, rating }) => [id, rating]));
  const replace = (id: string) => {
    const place = rows.indexOf(id);
    sayNotSeen(id);
    const next = open().find((one) => !rows.includes(one));
    setRows(next ? rows.with(place, next) : rows.filter((one) => one !== id));
    requestAnimationFrame(() => list.current?.querySelectorAll<HTMLElement>('[role="slider"]')[place]?.focus());
  };
  const pick = (item: Item) => {
    const id = idOf(item.item_id);
    setRows([id, ...rows.filter((one) => one !== id)].slice(0, N_ASKED));
    requestAnimationFrame(() => list.current?.querySelector<HTMLElement>('[role="slider"]')?.focus());
  };
  const more = () => {
    const fresh = open().filter((id) => !rows.includes(id));
    setRows((fresh.length ? fresh : open()).slice(0, N_ASKED));
  };
  return (
    <section class="card" aria-labelledby="asking-title">
      <header>
        <h3 id="asking-title">Have you seen these?</h3>
        <button type="button" class="plain" onClick={more}>
          Other films
        </button>
      </header>
      <Search label="Find a film" onPick={pick} />
      <ul class="asking" ref={list}>
        {rows.map((id) => (
          <li key={id}>
            <Title id={id} />
            <Stars
              label={`Your rating of ${titleOf(id)}`}
              levels={levels}
              value={given.get(id) ?? null}
              onRate={(rating) => rate(id, rating)}
              onClear={() => unrate(id)}
            />
            <button type="button" class="plain" aria-label={`${titleOf(id)}: not seen`} onClick={() => replace(id)}>
              Not seen
            </button>
          </li>
        ))}
      </ul>
      <p class="note" role="status">
        {counted(ratings.value.length, "film")} rated
        {notSeen.value.length > 0 && `, ${notSeen.value.length} not seen`}. On the stars, arrow keys rate; Delete takes a rating back.
      </p>
    </section>
  );
}

function Title({ id }: { id: string }) {
  const { name, year } = split(titleOf(id), known.value[id]?.year ?? null);
  return (
    <span class="title">
      {name} {year !== null && <span class="soft">{year}</span>}
    </span>
  );
}

/** "Matrix, The (1999)" as people say it: "The Matrix", 1999. */
export function split(title: string, year: number | null): { name: string; year: number | null } {
  const found = /^(.*?)\s*\((\d{4})\)$/.exec(title);
  const name = found ? found[1]! : title;
  const article = /^(.*), (The|A|An|Les?|La|Il|El|Der|Die|Das)$/.exec(name);
  return { name: article ? `${article[2]} ${article[1]}` : name, year: found ? Number(found[2]) : year };
}

function YourRatings({ levels }: { levels: number[] }) {
  return (
    <section class="card" aria-labelledby="yours-title">
      <h3 id="yours-title">Your ratings</h3>
      <ul class="yours">
        {ratings.value.map(({ id, rating }) => (
          <li key={id}>
            <Title id={id} />
            <StarValue value={rating} most={levels.at(-1)!} />
            <button type="button" class="plain" aria-label={`Take back the rating of ${titleOf(id)}`} onClick={() => unrate(id)}>
              ×
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function List({ model }: { model: ModelInfo | null }) {
  const answer = useAnswer<Recommendations>(recommendRequest.value);
  const list = useRef<HTMLOListElement>(null);
  useGlide(list);
  const found = answer.value;
  if (found) meet(found.recommendations);
  const most = model?.scale.levels.at(-1) ?? 5;
  return (
    <section class="card" aria-labelledby="list-title" aria-busy={answer.waiting}>
      <header>
        <h3 id="list-title">{found?.n_rated ? "For you" : "Before it knows you: well liked, and by many"}</h3>
        <span class="soft small">stars · chance that you like it</span>
      </header>
      {answer.problem && <p class="problem">{answer.problem}</p>}
      <ol class="list" ref={list}>
        {found?.recommendations.map((place) => <Entry key={idOf(place.item_id)} place={place} most={most} />)}
        {!found && Array.from({ length: N_LISTED }, (_, k) => <li key={k} class="ghost" aria-hidden="true" />)}
      </ol>
    </section>
  );
}

function Entry({ place, most }: { place: Place; most: number }) {
  const id = idOf(place.item_id);
  const { name, year } = split(place.title, place.year);
  const reason = place.reasons.find(({ contribution }) => contribution > 0) ?? place.reasons[0];
  return (
    <li data-key={id}>
      <span class="rank" aria-hidden="true">
        {place.rank}
      </span>
      <div class="what">
        <span class="title">
          {name} {year !== null && <span class="soft">{year}</span>}
        </span>
        <span class="reason">{reason ? <Reason {...reason} /> : place.genres.slice(0, 3).join(", ")}</span>
      </div>
      <StarValue value={place.rating} most={most} />
      <span class="chance">
        <Share value={place.probability_of_liking} />
        {percent(place.probability_of_liking)}
        <span class="hidden-text"> to like it</span>
      </span>
      <a class="button" href="#why" aria-label={`Why ${name}?`} onClick={() => (why.value = id)}>
        Why?
      </a>
    </li>
  );
}

function Reason({ title, rating, contribution }: { title: string; rating: number | null; contribution: number }) {
  const { name } = split(title, null);
  return (
    <>
      <b class={contribution < 0 ? "minus" : "plus"}>{points(contribution)}</b> points: you gave {name} {rating ?? MINUS}
    </>
  );
}

function Hidden() {
  const answer = useAnswer<{ units: Activation[] }>(activationsRequest.value);
  useEffect(() => {
    if (answer.value) activations.value = answer.value.units;
  }, [answer.value]);
  const units = activations.value.map(({ unit: j, probability, resting }) => ({
    unit: j,
    level: probability,
    mark: resting,
    name: unitName(j),
  }));
  return (
    <section class="card" aria-labelledby="hidden-title">
      <h3 id="hidden-title">The hidden units, as your ratings leave them</h3>
      <Vessels
        label="Hidden units"
        units={units}
        onPick={(j) => {
          unit.value = j;
          location.hash = "units";
        }}
      />
      <p class="note">
        Each vessel is a hidden unit, filled to the probability that it is on. The tick is where it rests for someone unknown;{" "}
        <b class="plus">blue</b> stands above it, <b class="minus">orange</b>, hatched, below. Pick one to see what it stands for.
      </p>
    </section>
  );
}
