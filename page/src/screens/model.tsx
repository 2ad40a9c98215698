import { useEffect, useState } from "preact/hooks";
import { get, post } from "../api";
import { Lines, Plot } from "../charts/plot";
import { useAnswer, useConstant } from "../parts/asking";
import { MINUS, percent } from "../parts/bars";
import { Choice } from "../parts/choice";
import { Copies } from "../parts/copies";
import { curve, measure as chosenMeasure } from "../state";
import { history, loadModel } from "../taste";
import type { ChoiceModelInfo, EnergyAnswer, Evaluation, FreeEnergies, ListEvaluation, ModelInfo, Score, Served, TrainingEvent } from "../types";

export function Model() {
  const [model, setModel] = useState<Served | null>(null);
  useEffect(() => void loadModel().then(setModel, () => undefined), []);
  return (
    <>
      {model?.kind === "choices" ? <ListsLead model={model} /> : <RatingsLead model={model} />}
    </>
  );
}

function RatingsLead({ model }: { model: ModelInfo | null }) {
  return (
    <>
      <p class="lead">
        A model that says 70 % should be right seven times in ten. This one was measured on ratings that it had never seen, beside
        two plain rules that anybody could use instead; every whisker is two standard errors.
      </p>
      {model && <Facts model={model} />}
      {model &&
        (model.has_record ? (
          <div class="cols two even">
            <Curves />
            <Scores />
            <Reliability />
            <Unusual />
          </div>
        ) : (
          <p class="note">
            This model file carries no record of its training, so there is nothing to plot. <code>harmonium demo -o films.harmonium</code>{" "}
            and <code>harmonium train</code> keep one.
          </p>
        ))}
      <Copies
        request={get(model?.has_record ? "/model/evaluation" : "/model")}
        python={`import harmonium\n\nfilms = harmonium.load("movielens-small")\ntrain, test = harmonium.random_split(films.ratings, 0.1, rng=0)\nrecommender = harmonium.Recommender.fit(train, films.titles, n_hidden=64, n_epochs=20)\nprint(harmonium.evaluate(recommender, train, test).table())`}
      />
    </>
  );
}

/** A model of choices: what it is, and how its lists were measured. */
function ListsLead({ model }: { model: ChoiceModelInfo }) {
  return (
    <>
      <p class="lead">
        A list is good if it holds what people went on to choose. Where the file keeps a measurement, it was made on people the
        model had not learned from: a part of their choices was shown, and the list was searched for the rest.
      </p>
      <FactList
        facts={[
          ["Items", model.n_items.toLocaleString("en")],
          ["Choices learnt from", model.n_training_choices.toLocaleString("en")],
          ["Machine", model.algorithm],
          ["Hidden units", String(model.n_units)],
        ]}
      />
      {model.has_record ? <Lists /> : <p class="note">This file keeps no evaluation; <code class="unbroken">harmonium train --hold-out 0.1</code> makes one.</p>}
      <p class="note spaced">
        Not shown, because this model knows no ratings: its calibration of stars, its error against plain rules, and who rates
        unusually. The small machines above are the same for every model.
      </p>
      <Copies request={get("/model")} python={`from harmonium import ChoiceRecommender\n\nprint(ChoiceRecommender.load(${JSON.stringify(model.name)}))`} />
    </>
  );
}

function Lists() {
  const answer = useConstant<ListEvaluation>("/model/evaluation");
  const found = answer.value;
  if (!found) return <Problem text={answer.problem} />;
  const metrics = Object.keys(found).filter((name) => `${name}_se` in found);
  return (
    <section class="card" aria-labelledby="lists-title">
      <h3 id="lists-title">Its lists, for people held out</h3>
      <table class="contributions">
        <tbody>
          {metrics.map((name) => (
            <tr key={name}>
              <th scope="row">{name.replaceAll("_", " ")}</th>
              <td />
              <td>
                {Number(found[name]).toFixed(4)}
                <span class="soft"> ± {Number(found[`${name}_se`]).toFixed(4)}</span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="note">
        {found.protocol}; {found.n_users.toLocaleString("en")} people, one standard error.
      </p>
    </section>
  );
}

function Facts({ model }: { model: ModelInfo }) {
  const facts: [string, string][] = [
    ["Films", model.n_items.toLocaleString("en")],
    ["Ratings learnt from", model.n_training_ratings.toLocaleString("en")],
    ["Hidden units", `${model.n_hidden}${model.cases === "both" ? " in each of two machines" : ""}`],
    ["Weights and biases", model.n_parameters.toLocaleString("en")],
  ];
  return <FactList facts={facts} />;
}

function FactList({ facts }: { facts: [string, string][] }) {
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Problem({ text }: { text: string }) {
  return text ? <p class="note">{text}</p> : null;
}

function Curves() {
  const answer = useConstant<{ events: TrainingEvent[] }>("/model/training");
  const what = curve.value === "validation_log_loss" ? "validation_log_loss" : "validation_rmse";
  const epochs = (answer.value?.events ?? []).filter((event) => event.kind === "epoch" && event[what] !== null);
  const machines = [...new Set(epochs.map(({ machine }) => machine))];
  const series = machines.map((machine, k) => ({
    name: machine,
    kind: k ? "c" : "a",
    points: epochs.filter((event) => event.machine === machine && event.phase === phaseOf(epochs, machine)).map((event): [number, number] => [event.epoch, event[what]!]),
  }));
  const values = series.flatMap(({ points }) => points.map(([, y]) => y));
  const best = machines.map((machine) => epochs.filter((event) => event.machine === machine).at(-1)!.best_epoch);
  return (
    <section class="card" aria-labelledby="curves-title">
      <header>
        <h3 id="curves-title">While it learned</h3>
        <Choice
          label="Error"
          options={[
            ["validation_rmse", "stars"],
            ["validation_log_loss", "nats"],
          ]}
          value={what}
          onChoose={(value) => (curve.value = value)}
        />
      </header>
      <Problem text={answer.problem} />
      {values.length > 0 && (
        <Plot
          label="Validation error by epoch"
          x={[1, Math.max(...series.flatMap(({ points }) => points.map(([x]) => x)))]}
          y={padded(values)}
          xTitle="epoch"
          xFormat={(tick) => (Number.isInteger(tick) ? String(tick) : "")}
          yTitle={what === "validation_rmse" ? "error on held-back ratings (RMSE, stars)" : "surprise at held-back ratings (nats)"}
          right={56}
        >
          {(area) => <Lines area={area} series={series} />}
        </Plot>
      )}
      <p class="note">
        Ratings held back from training choose when to stop{best.length > 0 && `: ${machines.map((machine, k) => `${machine} machine, epoch ${best[k]}`).join("; ")}`}.
        One machine reads people, the other films; their mean is calibrated.
      </p>
    </section>
  );
}

/** Where epochs are first chosen and then learned again, the choosing is what has a validation error. */
const phaseOf = (epochs: TrainingEvent[], machine: string): string => epochs.find((event) => event.machine === machine)!.phase;

function padded(values: number[]): [number, number] {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = (high - low || 0.1) * 0.12;
  return [low - room, high + room];
}

const MEASURES = { rmse: "RMSE, stars", mae: "MAE, stars", log_loss: "log loss, nats" } as const;
type Measure = keyof typeof MEASURES;

function Scores() {
  const answer = useConstant<Evaluation>("/model/evaluation");
  const measure: Measure = chosenMeasure.value in MEASURES ? (chosenMeasure.value as Measure) : "rmse";
  const found = answer.value;
  const rows: [string, Score][] = found ? [["this model", found.model], ...Object.entries(found.baselines)] : [];
  const error = (score: Score) => 2 * (score[`${measure}_se`] ?? 0);
  const most = Math.max(...rows.map(([, score]) => score[measure] + error(score)), 1e-9);
  const least = Math.min(...rows.map(([, score]) => score[measure] - error(score)), most);
  const low = Math.max(0, least - (most - least) * 0.35);
  const share = (value: number) => `${(100 * (value - low)) / (most - low)}%`;
  return (
    <section class="card" aria-labelledby="scores-title">
      <header>
        <h3 id="scores-title">Against plain rules</h3>
        <Choice label="Measure" options={Object.keys(MEASURES).map((key) => [key as Measure, key.replace("_", " ").toUpperCase()])} value={measure} onChoose={(value) => (chosenMeasure.value = value)} />
      </header>
      <Problem text={answer.problem} />
      {found && (
        <>
          <table class="scores">
            <thead class="hidden-text">
              <tr>
                <th scope="col">Who predicts</th>
                <th scope="col">Picture</th>
                <th scope="col">{MEASURES[measure]}</th>
              </tr>
            </thead>
            <tbody>
              {rows.map(([name, score], k) => (
                <tr key={name}>
                  <th scope="row">{BASELINES[name] ?? name}</th>
                  <td>
                    <span class={k ? "whisker" : "whisker ours"} aria-hidden="true">
                      <span class="range" style={{ left: share(score[measure] - error(score)), right: `calc(100% - ${share(score[measure] + error(score))})` }} />
                      <span class="point" style={{ left: share(score[measure]) }} />
                    </span>
                  </td>
                  <td>
                    {score[measure].toFixed(4)}
                    <span class="soft"> ± {(score[`${measure}_se`] ?? 0).toFixed(4)}</span>
                  </td>
                </tr>
              ))}
              <tr class="scale" aria-hidden="true">
                <th />
                <td>
                  <span>{low.toFixed(2)}</span>
                  <span>{most.toFixed(2)}</span>
                </td>
                <td />
              </tr>
            </tbody>
          </table>
          <p class="note">
            {MEASURES[measure]}; left is better. Whiskers are two standard errors over {found.n_users.toLocaleString("en")} people,{" "}
            {found.model.n.toLocaleString("en")} held-out ratings. On the same ratings the model is{" "}
            {Object.entries(found.differences).map(([name, difference], k) => (
              <>
                {k > 0 && " and "}
                {difference[measure] < 0 ? "better" : "worse"} by {Math.abs(difference[measure]).toFixed(4)} ±{" "}
                {(difference[`${measure}_se`] ?? 0).toFixed(4)} than {BASELINES[name] ?? name}
              </>
            ))}
            .
          </p>
        </>
      )}
    </section>
  );
}

const BASELINES: Record<string, string> = { popularity: "each film's mean", bias: "user and film biases" };

function Reliability() {
  const answer = useConstant<Evaluation>("/model/evaluation");
  const found = answer.value;
  if (!found) return <section class="card"><Problem text={answer.problem} /></section>;
  const { reliability, ece, ece_by_chance } = found.model;
  return (
    <section class="card" aria-labelledby="reliability-title">
      <h3 id="reliability-title">When it says 70 %, is it 70 %?</h3>
      <Plot label="Calibration: predicted against observed" x={[0, 1]} y={[0, 1]} xTitle={`said to like it (${found.like} stars or more)`} yTitle="did like it" xFormat={percent} yFormat={percent}>
        {({ x, y }) => (
          <>
            <line class="diagonal" x1={x(0)} y1={y(0)} x2={x(1)} y2={y(1)} />
            {reliability.map(({ predicted, observed, n }) => {
              const error = 2 * Math.sqrt((observed * (1 - observed)) / n);
              return (
                <g key={predicted}>
                  <line class="error" x1={x(predicted)} x2={x(predicted)} y1={y(Math.max(0, observed - error))} y2={y(Math.min(1, observed + error))} />
                  <circle class="datum" cx={x(predicted)} cy={y(observed)} r={4.5} />
                </g>
              );
            })}
          </>
        )}
      </Plot>
      <p class="note">
        On the diagonal, it is as sure as it should be. Off it by {ece.toFixed(4)} on average; perfect probabilities would show{" "}
        {ece_by_chance.toFixed(4)} by chance alone. Bars: two standard errors.
      </p>
    </section>
  );
}

const placed = (share: number): string =>
  share > 0.995 ? "more than nearly all of them" : share < 0.005 ? "less than nearly all of them" : `more than ${percent(share)} of them`;

function Unusual() {
  const answer = useConstant<FreeEnergies>("/model/free-energies");
  const yours = useAnswer<EnergyAnswer>(history.value.length ? post("/energy", { history: history.value }) : null);
  const found = answer.value;
  if (!found) return <section class="card"><Problem text={answer.problem} /></section>;
  const { edges, counts } = found.surprise_per_rating;
  const you = history.value.length ? (yours.value?.surprise_per_rating ?? null) : null;
  const [low, high] = [edges[0]!, Math.max(edges.at(-1)!, you ?? 0)];
  return (
    <section class="card" aria-labelledby="unusual-title">
      <h3 id="unusual-title">Who is unusual</h3>
      <Plot label="Histogram of the training users by surprise per rating" x={[low, high]} y={[0, Math.max(...counts) * 1.05]} xTitle="surprise, nats a rating" yTitle="people">
        {({ x, y }) => (
          <>
            {counts.map((n, k) => (
              <rect key={k} class="bar" x={x(edges[k]!) + 0.5} width={Math.max(0.5, x(edges[k + 1]!) - x(edges[k]!) - 1)} y={y(n)} height={y(0) - y(n)} />
            ))}
            {you !== null && (
              <g class="you">
                <line x1={x(you)} x2={x(you)} y1={y(0)} y2={24} />
                <text class="strong" x={x(you)} y={18} text-anchor={x(you) > (x(low) + x(high)) / 2 ? "end" : "start"}>
                  you
                </text>
              </g>
            )}
          </>
        )}
      </Plot>
      <p class="note">
        For each of {found.n_users.toLocaleString("en")} people: how surprised the machine is at a rating, given their others. Few
        nats: it knows their kind; many: nobody else rates like them.{" "}
        {you === null
          ? "Rate films above, and you are drawn in."
          : yours.value?.percentile != null
            ? `You: ${you.toFixed(2)} nats, ${placed(yours.value.percentile)}.`
            : `You: ${you.toFixed(2).replace("-", MINUS)} nats.`}
      </p>
    </section>
  );
}
