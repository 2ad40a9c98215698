import { useEffect, useRef, useState } from "preact/hooks";
import { post } from "../api";
import { useAnswer } from "../parts/asking";
import { SignedBar, percent, points, signed } from "../parts/bars";
import { Copies } from "../parts/copies";
import { useWidth } from "../parts/motion";
import { idOf, itemOf, ratings, unit, unitName, why } from "../state";
import { history, listed, loadModel, meet, pythonOf, titleOf } from "../taste";
import type { ChoiceExplanation, ChosenPlace, Explanation, FullReason, Place, PredictedItem, Served, UnitPart } from "../types";
import { split } from "./taste";

const N_SHOWN = 8; // reasons and units
const WIDEST_LINE = 14; // px of the strongest tie in the picture

export function Why() {
  const [model, setModel] = useState<Served | null>(null);
  useEffect(() => void loadModel().then(setModel, () => undefined), []);
  const places: (Place | ChosenPlace)[] = listed.value?.recommendations ?? [];
  const chosen = why.value || (places[0] ? idOf(places[0].item_id) : "");
  const request = chosen ? post("/explain", { history: history.value, item: itemOf(chosen), n: N_SHOWN }) : null;
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
            <Contributions found={found} />
            <Levels now={found.item} before={found.baseline} />
          </div>
          <Ties found={found} />
        </div>
      )}
      {request && (
        <Copies
          request={request}
          python={pythonOf(
            model,
            `why = recommender.explain(history, ${JSON.stringify(titleOf(chosen))}, n=${N_SHOWN})\nfor reason in ${model?.kind === "choices" ? "why" : "why.reasons"}:\n    print(reason.title, reason.contribution)`,
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

function Contributions({ found }: { found: Explanation }) {
  const { item, baseline, reasons } = found;
  const most = Math.max(0.02, ...reasons.map(({ contribution }) => Math.abs(contribution)));
  return (
    <section class="card" aria-labelledby="contributions-title">
      <h3 id="contributions-title">What each rating contributed to the chance that you like it</h3>
      <table class="contributions">
        <thead class="hidden-text">
          <tr>
            <th scope="col">Rating</th>
            <th scope="col">Bar</th>
            <th scope="col">Points</th>
          </tr>
        </thead>
        <tbody>
          <tr class="sum">
            <th scope="row">Someone unknown</th>
            <td />
            <td>{percent(baseline.probability_of_liking)}</td>
          </tr>
          {reasons.map((reason) => (
            <tr key={idOf(reason.item_id)}>
              <th scope="row">
                {split(reason.title, null).name} <span class="soft">{reason.rating === null ? "seen" : `${reason.rating} ★`}</span>
              </th>
              <td>
                <SignedBar value={reason.contribution} most={most} />
              </td>
              <td class={reason.contribution < 0 ? "minus" : "plus"}>{points(reason.contribution)}</td>
            </tr>
          ))}
          <tr class="sum">
            <th scope="row">You</th>
            <td />
            <td>{percent(item.probability_of_liking)}</td>
          </tr>
        </tbody>
      </table>
      <p class="note">
        {reasons.length
          ? "In percentage points, each rating left out in turn. They need not add up: two ratings that say the same share the credit."
          : "Rate a film and its part in this shows here."}
      </p>
    </section>
  );
}

/** The whole distribution over levels: yours as bars, the unknown person's as a ghost. */
function Levels({ now, before }: { now: PredictedItem; before: PredictedItem }) {
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
      <p class="note">Bars: you. Outline: someone without ratings. The machine predicts the whole distribution, not one number.</p>
    </section>
  );
}

interface Line {
  from: number;
  to: number;
  part: number;
}

/** Ratings on the left, hidden units in the middle, the film on the right; a line's width is the size of its part. */
function Ties({ found }: { found: Explanation }) {
  const place = useRef<HTMLDivElement>(null);
  const width = useWidth(place);
  const reasons = found.reasons.filter(({ by_unit }) => by_unit.length).slice(0, N_SHOWN);
  const units = chosenUnits(reasons, found.units);
  const rows = Math.max(reasons.length, units.length, 1);
  const pitch = 46;
  const height = rows * pitch + 30;
  const narrow = width < 460;
  const left = narrow ? width * 0.3 : Math.min(190, width * 0.34);
  const middle = narrow ? width * 0.64 : width * 0.66;
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
            {reasons.map(({ title, item_id }, k) => (
              <text key={idOf(item_id)} class="strong" x={left - 8} y={yOf(k, reasons.length) + 4} text-anchor="end">
                {shortened(split(title, null).name, narrow ? 13 : 24)}
              </text>
            ))}
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
            <a class="button" href="#units" onClick={() => (unit.value = j)}>
              {unitName(j)} <b class={part < 0 ? "minus" : "plus"}>{signed(part, 2)}</b>
            </a>
          </li>
        ))}
      </ul>
      <p class="note">
        A thick <b class="plus">blue, whole</b> line speaks for the film, an <b class="minus">orange, dashed</b> one against it. The
        parts are those of the users machine, in nats of the film's tilt towards being liked.
        {ratings.value.length > N_SHOWN && ` The ${N_SHOWN} strongest ratings are drawn.`}
      </p>
    </section>
  );
}

const MOST_UNITS = 7;

function chosenUnits(reasons: FullReason[], units: UnitPart[]): UnitPart[] {
  const weight = new Map<number, number>();
  for (const { unit: j, part } of units) weight.set(j, Math.abs(part));
  for (const { by_unit } of reasons)
    for (const { unit: j, part } of by_unit) weight.set(j, (weight.get(j) ?? 0) + Math.abs(part) / 2);
  return [...units]
    .sort((a, b) => weight.get(b.unit)! - weight.get(a.unit)!)
    .slice(0, MOST_UNITS)
    .sort((a, b) => b.part - a.part);
}

const described = (units: UnitPart[]): string =>
  `Hidden units that move the film, in nats: ${units.map(({ unit: j, part }) => `${unitName(j)} ${signed(part, 2)}`).join(", ")}`;

const shortened = (text: string, most: number): string => (text.length > most ? `${text.slice(0, most - 1).trimEnd()}…` : text);

function curve(x: number, y: number, toX: number, toY: number): string {
  const half = (x + toX) / 2;
  return `M${x},${y}C${half},${y} ${half},${toY} ${toX},${toY}`;
}
