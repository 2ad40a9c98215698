import { useEffect, useState } from "preact/hooks";
import { get, post } from "../api";
import { useAnswer, useConstant } from "../parts/asking";
import { SignedBar, percent, points, signed } from "../parts/bars";
import { Copies } from "../parts/copies";
import { Vessels } from "../parts/vessels";
import { held, idOf, names, unit, unitName } from "../state";
import { activations, history, loadModel, meet, pythonOf } from "../taste";
import type { Dream, DreamItem, Served, Unit, UnitItem } from "../types";
import { split } from "./taste";

const N_FILMS = 7; // at each end
const N_DREAMT = 6;

export function Units() {
  const [model, setModel] = useState<Served | null>(null);
  useEffect(() => void loadModel().then(setModel, () => undefined), []);
  if (model && model.n_units === 0)
    return (
      <p class="lead">
        {model.kind === "choices"
          ? "This model ties items to each other directly, by a closed form, without hidden units: there are none to describe here."
          : "This model has no machine whose cases are users, so there are no units to describe here."}
      </p>
    );
  return (
    <>
      <p class="lead">
        Nobody told the machine about genres. Each hidden unit is a tendency it found useful: switched on, it tilts some films up
        and others down. Read the two ends, give the unit a name of your own, then hold it on and see what the machine dreams of.
      </p>
      {model && <Chosen model={model} />}
    </>
  );
}

function Chosen({ model }: { model: Served }) {
  const j = Math.min(unit.value, model.n_units - 1);
  const request = get(`/units/${j}?n=${N_FILMS}`);
  const answer = useAnswer<Unit>(request);
  const found = answer.value;
  return (
    <>
      <div class="stack">
        <Choice j={j} model={model} resting={found?.resting_activation} />
        {answer.problem && <p class="problem">{answer.problem}</p>}
        {found && (
          <div class="cols two even">
            <End title={model.kind === "choices" ? "Choosing these turns it on" : "Liking these turns it on"} films={found.positive} />
            <End title={model.kind === "choices" ? "Choosing these turns it off" : "Liking these turns it off"} films={found.negative} />
          </div>
        )}
        {found && (
          <p class="note">
            The weight, in nats: by how much the unit, once on, tilts a film towards being {model.kind === "choices" ? "chosen" : "liked"},
            and so how much {model.kind === "choices" ? "choosing" : "liking"} the film turns the unit on. In the order, a weight counts less
            the fewer people know the film.
          </p>
        )}
        {model.kind === "ratings" && <Dreaming j={j} />}
      </div>
      <Copies request={request} python={pythonOf(model, `print(recommender.describe_unit(${j}, n=${N_FILMS}))`)} />
    </>
  );
}

function Choice({ j, model, resting }: { j: number; model: Served; resting: number | undefined }) {
  const all = useConstant<{ units: { unit: number; resting_activation: number }[] }>("/units?n=1");
  const units = (all.value?.units ?? []).map(({ unit: k, resting_activation }) => ({
    unit: k,
    level: activations.value[k] ?? resting_activation,
    mark: resting_activation,
    name: unitName(k),
  }));
  const rename = (text: string) => {
    const { [j]: _, ...others } = names.value;
    names.value = text ? { ...others, [j]: text } : others;
  };
  return (
    <section class="card" aria-label="Choose a unit">
      <Vessels label="Hidden units: choose one" units={units} chosen={j} onPick={(k) => (unit.value = k)} />
      <div class="unit-head">
        <div class="row">
          <button type="button" onClick={() => (unit.value = (j + model.n_units - 1) % model.n_units)} aria-label="The unit before">
            ←
          </button>
          <button type="button" onClick={() => (unit.value = (j + 1) % model.n_units)} aria-label="The next unit">
            →
          </button>
          <span class="soft">
            unit {j} of {model.n_units}
            {resting !== undefined && `, on in ${percent(resting)} of tosses for someone unknown`}
          </span>
        </div>
        <div class="row name">
          <label for="unit-name">Your name for it</label>
          <input
            id="unit-name"
            type="text"
            maxLength={40}
            autocomplete="off"
            placeholder={`Unit ${j}`}
            value={names.value[j] ?? ""}
            onInput={(event) => rename(event.currentTarget.value)}
          />
        </div>
      </div>
    </section>
  );
}

function End({ title, films }: { title: string; films: UnitItem[] }) {
  const most = Math.max(...films.map(({ weight }) => Math.abs(weight)), 1e-9);
  return (
    <section class="card">
      <h3>{title}</h3>
      {films.length === 0 && <p class="note">No film pulls this way.</p>}
      <table class="contributions">
        <tbody>
          {films.map((film) => (
            <tr key={idOf(film.item_id)}>
              <th scope="row">{split(film.title, null).name}</th>
              <td>
                <SignedBar value={film.weight} most={most} />
              </td>
              <td class={film.weight < 0 ? "minus" : "plus"}>{signed(film.weight, 2)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Dreaming({ j }: { j: number }) {
  const on = held.value === "on";
  const off = held.value === "off";
  const request = on || off ? post("/dream", { units: [{ unit: j, on }], history: history.value, n: N_DREAMT }) : null;
  const answer = useAnswer<Dream>(request);
  const found = request ? answer.value : null;
  if (found) meet([...found.rising, ...found.falling]);
  const hold = (state: string) => (held.value = held.value === state ? "no" : state);
  return (
    <section class="card" aria-labelledby="dream-title">
      <header>
        <h3 id="dream-title">Hold it, and let the machine dream</h3>
        <div class="row" role="group" aria-label={`Hold ${unitName(j)}`}>
          <button type="button" aria-pressed={on} onClick={() => hold("on")}>
            Hold on
          </button>
          <button type="button" aria-pressed={off} onClick={() => hold("off")}>
            Hold off
          </button>
        </div>
      </header>
      {answer.problem && request && <p class="problem">{answer.problem}</p>}
      {found ? (
        <div class="cols two even">
          <Dreamt title="Rising, in points" films={found.rising} />
          <Dreamt title="Falling, in points" films={found.falling} />
        </div>
      ) : request ? null : (
        <p class="note">Nothing is held. Hold the unit on or off: the other units stay as your ratings leave them, and the films tilt.</p>
      )}
      {found && (
        <p class="note">
          {unitName(j)} is held {held.value}; the other units stay as your ratings leave them. How the chance of liking a film moves, in
          percentage points, in the machine that reads people alone; drawn towards 0 where few rated the film.
        </p>
      )}
    </section>
  );
}

function Dreamt({ title, films }: { title: string; films: DreamItem[] }) {
  const most = Math.max(...films.map(({ rise }) => Math.abs(rise)), 1e-9);
  return (
    <div>
      <h4>{title}</h4>
      {films.length === 0 && <p class="note">None.</p>}
      <table class="contributions">
        <tbody>
          {films.map((film) => (
            <tr key={idOf(film.item_id)}>
              <th scope="row">
                {split(film.title, null).name}{" "}
                <span class="soft">
                  {percent(film.before)} → {percent(film.probability_of_liking)}
                </span>
              </th>
              <td>
                <SignedBar value={film.rise} most={most} />
              </td>
              <td class={film.rise < 0 ? "minus" : "plus"}>{points(film.rise)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
