import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { useAnswer } from "../parts/asking";
import { MINUS, Share, counted, percent, points, signed } from "../parts/bars";
import { Choice } from "../parts/choice";
import { Copies } from "../parts/copies";
import { useGlide } from "../parts/motion";
import { Search } from "../parts/search";
import { Stars, StarValue } from "../parts/stars";
import { Vessels } from "../parts/vessels";
import { idOf, notSeen, rankBy, rate, ratings, sayNotSeen, unit, unitName, unrate, why } from "../state";
import {
  type Example,
  N_LISTED,
  CHOSEN,
  activations,
  known,
  listed,
  loadExamples,
  loadModel,
  loadPopular,
  loadResting,
  meet,
  meetRated,
  pythonOf,
  ranking,
  ratedBy,
  recommendRequest,
  titleOf,
} from "../taste";
import type { ChosenPlace, Item, Place, Recommendations, Served, ShortReason } from "../types";

const N_ASKED = 6; // films asked about at a time

export function Taste() {
  const [model, setModel] = useState<Served | null>(null);
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
      {model?.kind === "choices" ? (
        <p class="lead">
          This model learned from what people chose, not from stars: say what you know and like, and it lists what goes with it.
          It predicts no ratings, so stars, calibration and the sampling of ratings are left out below; the small machines, which
          show energy, Gibbs sampling and learning, are the same for every model.
        </p>
      ) : (
        <p class="lead">
          Give stars to films you know. <em>Not seen</em> is an answer too: a film you did not see is left out of the sum, it does
          not count as a zero. Each rating shifts the hidden units, and the list is put in order anew.
        </p>
      )}
      {problem && <p class="problem">{problem}</p>}
      <Examples examples={examples} />
      <div class="cols two taste">
        {model && <Asking levels={levelsOf(model)} popular={popular} />}
        {model && ratings.value.length > 0 && <YourRatings levels={levelsOf(model)} />}
        <List model={model} />
        {model?.kind === "ratings" && model.n_units > 0 && <Hidden />}
      </div>
      {recommendRequest.value && (
        <Copies
          request={recommendRequest.value}
          python={pythonOf(
            model,
            `for film in recommender.recommend(history, n=${N_LISTED}${ranking.value ? `, rank_by="${ranking.value}"` : ""}):\n    print(film.title, ${model?.kind === "choices" ? "film.score, film.probability" : "film.rating, film.probability_of_liking, film.probability_of_choice"})`,
          )}
        />
      )}
    </>
  );
}

/** The levels that a rating can take; null where there are no ratings. */
const levelsOf = (model: Served): number[] | null => (model.kind === "choices" ? null : model.scale.levels);

function Examples({ examples }: { examples: Example[] }) {
  const take = (example: Example) => {
    meet(example.rated.map(({ item }) => item));
    notSeen.value = [];
    ratings.value = ratedBy(example);
  };
  if (!examples.length && !ratings.value.length) return <div class="row examples" />;
  return (
    <div class="row examples" role="group" aria-label="Example tastes">
      {examples.length > 0 && <span class="soft">Or be someone who likes</span>}
      {examples.map((example) => (
        <button type="button" key={example.name} onClick={() => take(example)}>
          {split(example.name, null).name}
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

function Asking({ levels, popular }: { levels: number[] | null; popular: Item[] }) {
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
            {levels ? (
              <Stars
                label={`Your rating of ${titleOf(id)}`}
                levels={levels}
                value={given.get(id) ?? null}
                onRate={(rating) => rate(id, rating)}
                onClear={() => unrate(id)}
              />
            ) : (
              <button type="button" class="liked" aria-pressed={given.has(id)} aria-label={`${titleOf(id)}: I like it`} onClick={() => (given.has(id) ? unrate(id) : rate(id, CHOSEN))}>
                I like it
              </button>
            )}
            <button type="button" class="plain" aria-label={`${titleOf(id)}: not seen`} onClick={() => replace(id)}>
              Not seen
            </button>
          </li>
        ))}
      </ul>
      <p class="note" role="status">
        {counted(ratings.value.length, "film")} {levels ? "rated" : "liked"}
        {notSeen.value.length > 0 && `, ${notSeen.value.length} not seen`}.
        {levels && " On the stars, arrow keys rate; Delete takes a rating back."}
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

/** "Matrix, The (1999)" as people say it: "The Matrix", 1999. A second title in brackets before the year is left out. */
export function split(title: string, year: number | null): { name: string; year: number | null } {
  const found = /^(.+?)(?:\s+\(\D[^()]*\))*\s*\((\d{4})\)$/.exec(title);
  const name = found ? found[1]! : title;
  const article = /^(.*), (The|A|An|Les?|La|Il|El|Der|Die|Das)$/.exec(name);
  return { name: article ? `${article[2]} ${article[1]}` : name, year: found ? Number(found[2]) : year };
}

function YourRatings({ levels }: { levels: number[] | null }) {
  return (
    <section class="card" aria-labelledby="yours-title">
      <h3 id="yours-title">{levels ? "Your ratings" : "What you like"}</h3>
      <ul class="yours">
        {ratings.value.map(({ id, rating }) => (
          <li key={id}>
            <Title id={id} />
            {levels && <StarValue value={rating} most={levels.at(-1)!} />}
            <button type="button" class="plain" aria-label={`Take back ${titleOf(id)}`} onClick={() => unrate(id)}>
              ×
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function List({ model }: { model: Served | null }) {
  const answer = useAnswer<Recommendations>(recommendRequest.value);
  const list = useRef<HTMLOListElement>(null);
  useGlide(list);
  const found = answer.value;
  useEffect(() => {
    listed.value = found;
  }, [found]);
  if (found) meet(found.recommendations);
  const most = model?.kind === "ratings" ? model.scale.levels.at(-1)! : 5;
  const unknown = model?.kind === "choices" ? "Before it knows you: what most people chose" : "Before it knows you: well liked, and by many";
  return (
    <section class="card listed" aria-labelledby="list-title" aria-busy={answer.waiting}>
      <header>
        <h3 id="list-title">{found?.n_rated ? "For you" : unknown}</h3>
        {model?.kind === "ratings" && model.has_choices ? (
          <Choice
            label="Ranked by"
            options={[
              ["", "next and liked"],
              ["liking", "liked"],
            ]}
            value={ranking.value ?? ""}
            onChoose={(value) => (rankBy.value = value)}
          />
        ) : (
          <span class="soft small">{captionOf(model)}</span>
        )}
      </header>
      {answer.problem && <p class="problem">{answer.problem}</p>}
      <ol class="list" ref={list}>
        {found?.kind === "ratings" &&
          found.recommendations.map((place) => <Entry key={idOf(place.item_id)} place={place} most={most} likeliest={likeliestOf(found.recommendations)} />)}
        {found?.kind === "choices" && found.recommendations.map((place) => (
            <Chosen key={idOf(place.item_id)} place={place} most={Math.max(...found.recommendations.map(({ probability }) => probability ?? 0), 1e-9)} />
          ))}
        {!found && Array.from({ length: N_LISTED }, (_, k) => <li key={k} class="ghost" aria-hidden="true" />)}
      </ol>
      {found?.kind === "ratings" && <p class="note">{rankingOf(found.recommendations, found.n_rated, model)}</p>}
    </section>
  );
}

/** What the order of a list means, in words. */
function rankingOf(places: Place[], nRated: number, model: Served | null): string {
  const held = "drawn towards the usual where few have rated a film";
  const part = nRated ? " Below each title: what the list would lose most by, were you to forget that rating." : "";
  if (places[0] && places[0].probability_of_choice !== null)
    return (
      `The star is the rating to expect. Ranked by two chances, one times the other: that you like a film, ${held}, and that it ` +
      `is among the next you choose (its bar is a share of the list's largest).${part}`
    );
  const other = model?.kind === "ratings" && model.has_choices ? ", whether or not you would ever choose it" : "";
  return `The star is the rating to expect. Ranked by the chance that you like a film${other}, ${held}.${part}`;
}

const likeliestOf = (places: Place[]): number => Math.max(1e-9, ...places.map((place) => place.probability_of_choice ?? 0));

function captionOf(model: Served | null): string {
  if (model?.kind !== "choices") return "stars · chance that you like it";
  return model.calibrated ? "chance that it is among your next choices" : "the best first";
}

function Entry({ place, most, likeliest }: { place: Place; most: number; likeliest: number }) {
  return (
    <Row place={place} reason={<Reason place={place} />}>
      <StarValue value={place.rating} most={most} />
      <span class="chances">
        <Chance value={place.probability_of_liking} of="liked" />
        {place.probability_of_choice !== null && <Chance value={place.probability_of_choice} most={likeliest} of="next" />}
      </span>
    </Row>
  );
}

/** A place of a model of choices. */
function Chosen({ place, most }: { place: ChosenPlace; most: number }) {
  return (
    <Row place={place} reason={<ChoiceReason reasons={place.reasons} genres={place.genres} />}>
      <span />
      {place.probability === null ? <span /> : <span class="chances"><Chance value={place.probability} most={most} of="next" /></span>}
    </Row>
  );
}

function Row({ place, reason, children }: { place: Place | ChosenPlace; reason: ComponentChildren; children: ComponentChildren }) {
  const id = idOf(place.item_id);
  const { name, year } = split(place.title, place.year);
  return (
    <li data-key={id}>
      <span class="rank" aria-hidden="true">
        {place.rank}
      </span>
      <div class="what">
        <span class="title">
          {name} {year !== null && <span class="soft">{year}</span>}
        </span>
        <span class="reason">{reason}</span>
      </div>
      {children}
      <a class="button" href="#why" aria-label={`Why ${name}?`} onClick={() => (why.value = id)}>
        Why?
      </a>
    </li>
  );
}

const SMALL = 0.1; // chances below it are told with a decimal

/** A chance as a bar, its length a share of the largest one, and in words. */
function Chance({ value, of, most = 1 }: { value: number; of: string; most?: number }) {
  return (
    <span class="chance">
      <Share value={value / most} />
      <span class="value">{value < SMALL ? `${(100 * value).toFixed(1)}\u00a0%` : percent(value)}</span>
      <span class="of">{of}</span>
    </span>
  );
}

/** What a reason adds to what the list is ranked by. */
const partOf = ({ contribution, score_contribution }: ShortReason): number => score_contribution ?? contribution;

/** The reason that speaks most for a film, or the strongest where none does. */
const foremost = (reasons: ShortReason[]): ShortReason | undefined => reasons.find((one) => partOf(one) > 0) ?? reasons[0];

/** Of a list ranked by liking, points of that chance; of one ranked by two chances, a share of their product. */
function Reason({ place: { reasons, genres, score, probability_of_choice } }: { place: Place }) {
  const reason = foremost(reasons);
  if (!reason) return <>{genres.slice(0, 3).join(", ")}</>;
  const { title, rating, contribution } = reason;
  const joint = probability_of_choice !== null;
  const part = joint ? partOf(reason) : contribution;
  return (
    <>
      <b class={part < 0 ? "minus" : "plus"}>{joint ? `${signed((100 * part) / score, 0)}\u00a0%` : `${points(part)}\u00a0points`}</b> by your{" "}
      {rating === null ? "having seen" : `${rating}\u00a0★ for`} {split(title, null).name}
    </>
  );
}

function ChoiceReason({ reasons, genres }: { reasons: ShortReason[]; genres: string[] }) {
  const reason = foremost(reasons);
  if (!reason) return <>{genres.slice(0, 3).join(", ")}</>;
  return (
    <>
      <b class={reason.contribution < 0 ? "minus" : "plus"}>{reason.contribution < 0 ? MINUS : "+"}</b> because you like {split(reason.title, null).name}
    </>
  );
}

function Hidden() {
  const [resting, setResting] = useState<number[]>([]);
  useEffect(() => void loadResting().then(setResting, () => undefined), []);
  const units = activations.value.map((probability, j) => {
    const vessel = { unit: j, level: probability, name: unitName(j) };
    return resting[j] === undefined ? vessel : { ...vessel, mark: resting[j] };
  });
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
