import { useEffect, useRef, useState } from "preact/hooks";
import { post } from "../api";
import { useAnswer } from "../parts/asking";
import { SignedBar, percent, points, signed } from "../parts/bars";
import { Choice } from "../parts/choice";
import { Copies } from "../parts/copies";
import { useWidth } from "../parts/motion";
import { type Rated, idOf, itemOf, ratings, reasonsOf, unit, unitName, why } from "../state";
import { type Example, N_LISTED, listed, loadExamples, loadModel, meet, pythonOf, ratedBy, titleOf, told } from "../taste";
import type {
  ChoiceExplanation,
  ChosenPlace,
  Explanation,
  FullReason,
  Place,
  PredictedItem,
  Recommendations,
  Served,
  UnitPart,
} from "../types";
import { split } from "./taste";

const N_SHOWN = 8; // reasons
const N_ASKED = 24; // reasons and units, among which those are found that the picture needs
const WIDEST_LINE = 14; // px of the strongest tie in the picture

/** Whose list is explained: yours, or somebody made up as long as you have rated nothing. */
function useWhose(model: Served | null): { rated: Rated[]; standIn: Example | null; places: (Place | ChosenPlace)[] } {
  const [example, setExample] = useState<Example | null>(null);
  useEffect(() => {
    if (model) loadExamples(model).then(([first]) => setExample(first ?? null), () => undefined);
  }, [model]);
  const standIn = ratings.value.length ? null : example;
  useEffect(() => {
    if (standIn) meet(standIn.rated.map(({ item }) => item));
  }, [standIn]);
  const theirs = standIn ? ratedBy(standIn) : [];
  const list = useAnswer<Recommendations>(standIn ? post("/recommend", { history: told(theirs), n: N_LISTED }) : null);
  if (!standIn) return { rated: ratings.value, standIn, places: listed.value?.recommendations ?? [] };
  if (list.value) meet(list.value.recommendations);
  return { rated: theirs, standIn, places: list.value?.recommendations ?? [] };
}

export function Why() {
  const [model, setModel] = useState<Served | null>(null);
  useEffect(() => void loadModel().then(setModel, () => undefined), []);
  const { rated, standIn, places } = useWhose(model);
  const chosen = why.value || (places[0] ? idOf(places[0].item_id) : "");
  const request = chosen ? post("/explain", { history: told(rated), item: itemOf(chosen), n: N_ASKED }) : null;
  const answer = useAnswer<Explanation | ChoiceExplanation>(request);
  const found = answer.value;
  if (found) meet([found.item]);
  const options = places.map((place) => idOf(place.item_id));
  if (chosen && !options.includes(chosen)) options.unshift(chosen);
  return (
    <>
      {model?.kind === "choices" ? (
        <p class="lead">
          To learn what one of your choices contributed, the machine forgets it and ranks again. The difference is exact: no
          approximation, no story told afterwards.
        </p>
      ) : (
        <p class="lead">
          To learn what one of your ratings contributed, the machine forgets it and predicts again. The difference is exact: no
          approximation, no story told afterwards. Each rating speaks through hidden units, and the picture shows which.
        </p>
      )}
      {standIn && (
        <p class="note standing-in">
          You have {model?.kind === "choices" ? "chosen" : "rated"} nothing yet, so this is the list of somebody made up, who likes{" "}
          {standIn.rated.slice(0, 2).map(({ item }) => split(item.title, null).name).join(" and ")}. <a href="#taste">Say what you like</a>, and it
          is about you.
        </p>
      )}
      <div class="row why-choice">
        <label for="why-film">Explain</label>
        <select id="why-film" value={chosen} onChange={(event) => (why.value = event.currentTarget.value)}>
          {options.map((id) => (
            <option key={id} value={id}>
              {titleOf(id)}
            </option>
          ))}
        </select>
      </div>
      {answer.problem && <p class="problem">{answer.problem}</p>}
      {found?.kind === "choices" && <Chosen found={found} />}
      {found?.kind === "ratings" && (
        <div class="cols two" aria-busy={answer.waiting}>
          <div class="stack">
            <Contributions found={found} whose={standIn ? "They" : "You"} />
            <Levels now={found.item} before={found.baseline} whose={standIn ? "them" : "you"} />
          </div>
          <Ties found={found} both={model?.kind === "ratings" && model.cases === "both"} />
        </div>
      )}
      {request && (
        <Copies
          request={request}
          python={pythonOf(
            model,
            `why = recommender.explain(history, ${JSON.stringify(titleOf(chosen))}, n=${N_ASKED})\nfor reason in ${model?.kind === "choices" ? "why" : "why.reasons"}:\n    print(reason.title, reason.contribution${model?.kind === "choices" ? "" : ", reason.score_contribution"})`,
            rated,
          )}
        />
      )}
    </>
  );
}

/** What each choice adds to the score of an item. */
function Chosen({ found: { item, reasons } }: { found: ChoiceExplanation }) {
  const most = Math.max(1e-9, ...reasons.map(({ contribution }) => Math.abs(contribution)));
  return (
    <section class="card" aria-labelledby="chosen-title">
      <h3 id="chosen-title">What each choice adds to its score</h3>
      <table class="contributions">
        <thead class="hidden-text">
          <tr>
            <th scope="col">Choice</th>
            <th scope="col">Bar</th>
            <th scope="col">Score</th>
          </tr>
        </thead>
        <tbody>
          {reasons.map((reason) => (
            <tr key={idOf(reason.item_id)}>
              <th scope="row">{split(reason.title, null).name}</th>
              <td>
                <SignedBar value={reason.contribution} most={most} />
              </td>
              <td class={reason.contribution < 0 ? "minus" : "plus"}>{signed(reason.contribution, 3)}</td>
            </tr>
          ))}
          <tr class="sum">
            <th scope="row">Its score now</th>
            <td />
            <td>{signed(item.score, 3)}</td>
          </tr>
        </tbody>
      </table>
      <p class="note">
        {reasons.length
          ? "Only differences between scores of one list mean something. In a machine without hidden units the parts add up to the score."
          : "Like something above, and its part in this shows here."}
      </p>
    </section>
  );
}

/** What each rating does, left out: to the film's place in the list, or to the chance of liking it. */
function Contributions({ found, whose }: { found: Explanation; whose: "You" | "They" }) {
  const { item, baseline, probability_of_choice: next, score } = found;
  const joint = next !== null && reasonsOf.value !== "liking";
  const part = (reason: FullReason) => (joint ? (reason.score_contribution ?? 0) / score : reason.contribution);
  const reasons = [...found.reasons].sort((a, b) => Math.abs(part(b)) - Math.abs(part(a))).slice(0, N_SHOWN);
  const most = Math.max(0.02, ...reasons.map((reason) => Math.abs(part(reason))));
  return (
    <section class="card" aria-labelledby="contributions-title">
      <header>
        <h3 id="contributions-title">What each rating contributed</h3>
        {next !== null && (
          <Choice
            label="to"
            options={[
              ["", "its place"],
              ["liking", "liking it"],
            ]}
            value={joint ? "" : "liking"}
            onChoose={(value) => (reasonsOf.value = value)}
          />
        )}
      </header>
      <table class="contributions">
        <thead class="hidden-text">
          <tr>
            <th scope="col">Rating</th>
            <th scope="col">Bar</th>
            <th scope="col">{joint ? "Share of the score" : "Points"}</th>
          </tr>
        </thead>
        <tbody>
          {!joint && (
            <tr class="sum">
              <th scope="row">Someone unknown would like it</th>
              <td />
              <td>{percent(baseline.probability_of_liking)}</td>
            </tr>
          )}
          {reasons.map((reason) => (
            <tr key={idOf(reason.item_id)}>
              <th scope="row">
                {split(reason.title, null).name} <span class="soft">{reason.rating === null ? "seen" : `${reason.rating} ★`}</span>
              </th>
              <td>
                <SignedBar value={part(reason)} most={most} />
              </td>
              <td class={part(reason) < 0 ? "minus" : "plus"}>{joint ? `${signed(100 * part(reason), 0)}\u00a0%` : points(part(reason))}</td>
            </tr>
          ))}
          {joint && (
            <tr class="sum">
              <th scope="row">{whose} would choose it next</th>
              <td />
              <td>{small(next)}</td>
            </tr>
          )}
          <tr class="sum">
            <th scope="row">{whose} would like it</th>
            <td />
            <td>{percent(item.probability_of_liking)}</td>
          </tr>
        </tbody>
      </table>
      <p class="note">
        {!reasons.length
          ? "Rate a film and its part in this shows here."
          : joint
            ? "The list is ranked by these two chances, one times the other. Shares of that score, each rating left out in turn; +40 % says that without the rating the score would be 40 % smaller. They need not add up: two ratings that say the same share the credit."
            : "In percentage points, each rating left out in turn. They need not add up: two ratings that say the same share the credit."}
        {found.reasons.length > N_SHOWN && ` The ${N_SHOWN} strongest are shown.`}
      </p>
    </section>
  );
}

/** The whole distribution over levels: yours as bars, the unknown person's as a ghost. */
function Levels({ now, before, whose }: { now: PredictedItem; before: PredictedItem; whose: string }) {
  const most = Math.max(...now.probabilities, ...before.probabilities);
  const top = now.levels.at(-1)!;
  return (
    <section class="card" aria-labelledby="levels-title">
      <header>
        <h3 id="levels-title">How many stars</h3>
        <span class="soft small">
          expected {now.rating.toFixed(2)} of {top}, unknown person {before.rating.toFixed(2)}
        </span>
      </header>
      <ul class="levels">
        {now.levels.map((level, k) => (
          <li key={level}>
            <span class="pillar" aria-hidden="true">
              <span class="old" style={{ height: `${(100 * before.probabilities[k]!) / most}%` }} />
              <span class="new" style={{ height: `${(100 * now.probabilities[k]!) / most}%` }} />
            </span>
            <span class="level">{level}</span>
            <span class="hidden-text">
              {" "}
              stars: {percent(now.probabilities[k]!)}, unknown person {percent(before.probabilities[k]!)}
            </span>
          </li>
        ))}
      </ul>
      <p class="note">
        The chance of each rating. Bars: {whose}. Outline: someone without ratings. The machine predicts the whole distribution, not one
        number.
      </p>
    </section>
  );
}

interface Line {
  from: number;
  to: number;
  part: number;
}

/** Ratings on the left, hidden units in the middle, the film on the right; a line's width is the size of its part. */
function Ties({ found, both }: { found: Explanation; both: boolean }) {
  const place = useRef<HTMLDivElement>(null);
  const width = useWidth(place);
  const reasons = found.reasons.filter(({ by_unit }) => by_unit.length).slice(0, N_SHOWN);
  const units = chosenUnits(reasons, found.units);
  const rows = Math.max(reasons.length, units.length, 1);
  const pitch = 46;
  const height = rows * pitch + 30;
  const narrow = width < 460;
  const left = narrow ? 104 : Math.min(210, width * 0.36);
  const middle = narrow ? width * 0.66 : width * 0.68;
  const right = width - 14;
  const yOf = (k: number, n: number) => 24 + (height - 48) * ((k + 0.5) / Math.max(1, n));
  const lines: Line[] = reasons.flatMap((reason, from) =>
    reason.by_unit.flatMap(({ unit: j, part }) => {
      const to = units.findIndex((one) => one.unit === j);
      return to < 0 ? [] : [{ from, to, part }];
    }),
  );
  const most = Math.max(1e-9, ...lines.map(({ part }) => Math.abs(part)), ...units.map(({ part }) => Math.abs(part)));
  const thick = (part: number) => Math.max(0.75, (WIDEST_LINE * Math.abs(part)) / most);
  return (
    <section class="card" aria-labelledby="ties-title">
      <h3 id="ties-title">Through which hidden units</h3>
      {units.length === 0 && <p class="note">Rate a film to see the paths that it takes.</p>}
      <div ref={place}>
        {units.length > 0 && (
          <svg class="ties" viewBox={`0 0 ${width} ${height}`} width={width} height={height} role="img" aria-label={described(units)}>
            {lines.map(({ from, to, part }) => (
              <path
                key={`${from}-${to}`}
                class={part < 0 ? "tie minus" : "tie plus"}
                stroke-width={thick(part)}
                d={curve(left, yOf(from, reasons.length), middle - 7, yOf(to, units.length))}
              />
            ))}
            {units.map(({ unit: j, part }, k) => (
              <path
                key={j}
                class={part < 0 ? "tie minus" : "tie plus"}
                stroke-width={thick(part)}
                d={curve(middle + 7, yOf(k, units.length), right - 6, height / 2)}
              />
            ))}
            {reasons.map(({ title, item_id, rating }, k) => {
              const lines = wrapped(split(title, null).name, narrow ? 15 : 28);
              return (
                <text key={idOf(item_id)} class="strong" y={yOf(k, reasons.length) + 4 - 7 * lines.length} text-anchor="end">
                  {lines.map((line) => (
                    <tspan key={line} x={left - 8} dy="14">
                      {line}
                    </tspan>
                  ))}
                  {rating !== null && !narrow && <tspan class="rating"> {rating}★</tspan>}
                </text>
              );
            })}
            {units.map(({ unit: j, part }, k) => (
              <g key={j}>
                <circle class={part < 0 ? "unit minus" : "unit plus"} cx={middle} cy={yOf(k, units.length)} r="8" />
                <text class="sign" x={middle} y={yOf(k, units.length) + 4} text-anchor="middle">
                  {part < 0 ? "−" : "+"}
                </text>
                <text class="strong" x={middle} y={yOf(k, units.length) - 13} text-anchor="middle">
                  {shortened(unitName(j), narrow ? 11 : 18)}
                </text>
              </g>
            ))}
            <circle class="film" cx={right} cy={height / 2} r="9" />
          </svg>
        )}
      </div>
      <ul class="row small">
        {units.map(({ unit: j, part }) => (
          <li key={j}>
            <a class="button unit-link" href="#units" onClick={() => (unit.value = j)}>
              {unitName(j)} <b class={part < 0 ? "minus" : "plus"}>{signed(part, 3)}</b>
            </a>
          </li>
        ))}
      </ul>
      <p class="note">
        Ratings on the left, the film on the right. A thick <b class="plus">blue, whole</b> line speaks for the film, an{" "}
        <b class="minus">orange, dashed</b> one against it; the numbers are nats of the film's tilt towards being liked.
        {both &&
          " The answer is the mean of two machines, and this is the inside of the one that reads people. The other reads films and has units of its own, so a rating can weigh much and yet draw only thin lines here."}
        {found.reasons.length > N_SHOWN && ` The ${N_SHOWN} strongest ratings are drawn.`}
      </p>
    </section>
  );
}

const MOST_UNITS = 7;

/** The units that move the film most, and for each rating the one that it speaks through most. */
function chosenUnits(reasons: FullReason[], units: UnitPart[]): UnitPart[] {
  const known = new Map(units.map((one) => [one.unit, one]));
  const needed = reasons.flatMap(({ by_unit }) => by_unit.find(({ unit: j }) => known.has(j)) ?? []).map(({ unit: j }) => j);
  const order = [...new Set([...needed, ...units.map(({ unit: j }) => j)])]; // the API tells the strongest first
  return order
    .slice(0, Math.max(MOST_UNITS, new Set(needed).size))
    .map((j) => known.get(j)!)
    .sort((a, b) => b.part - a.part);
}

const described = (units: UnitPart[]): string =>
  `Hidden units that move the film, in nats: ${units.map(({ unit: j, part }) => `${unitName(j)} ${signed(part, 2)}`).join(", ")}`;

/** A title in two lines at most. */
function wrapped(text: string, most: number): string[] {
  if (text.length <= most) return [text];
  const cut = text.lastIndexOf(" ", most);
  return cut > 0 ? [text.slice(0, cut), shortened(text.slice(cut + 1), most)] : [shortened(text, most)];
}

const small = (p: number): string => (p < 0.1 ? `${(100 * p).toFixed(1)}\u00a0%` : percent(p));

const shortened = (text: string, most: number): string => (text.length > most ? `${text.slice(0, most - 1).trimEnd()}…` : text);

function curve(x: number, y: number, toX: number, toY: number): string {
  const half = (x + toX) / 2;
  return `M${x},${y}C${half},${y} ${half},${toY} ${toX},${toY}`;
}
