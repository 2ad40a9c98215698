import { area, curveMonotoneX, line } from "d3-shape";
import { scaleLinear } from "d3-scale";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { post } from "../api";
import { counted, percent } from "../parts/bars";
import { Copies } from "../parts/copies";
import { Waiting, useMade } from "../parts/making";
import { isStill, useOnScreen, useTicks, useWidth } from "../parts/motion";
import { Glyph, Picture, Pixels } from "../parts/pixels";
import { Slider } from "../parts/slider";
import * as physics from "../physics";
import { random } from "../random";
import { type Small, SMALL_IN_PYTHON, small } from "../small";
import { ball, seed, temperature } from "../state";
import { type Terrain, terrain } from "../terrain";

const PER_SECOND = 5; // sweeps
const TRAIL = 24; // states remembered
const HEIGHT = 300;
const LEFT = 28; // of the axis

export function Energy() {
  const made = useMade(small);
  return (
    <>
      <p class="lead">
        Every state of a Boltzmann machine has an <em>energy</em>, and the lower it is, the more probable the state: each nat less
        makes it e times as likely. This machine has nine pixels, so all 512 pictures fit in one landscape. It learned bars and
        stripes; each of them lies at the bottom of a valley.
      </p>
      <p class="lead">
        The ball is the picture of the moment. It rolls by tossing coins: downhill is likely, uphill possible. <em>Temperature</em>{" "}
        says how possible. Cold, it is caught in the first valley; hot, it forgets them all.
      </p>
      {made.value ? <Landscape small={made.value} /> : <Waiting problem={made.problem}>The small machine is learning…</Waiting>}
    </>
  );
}

interface Rolling {
  v: number[];
  trail: number[];
  visits: number[]; // of each valley
}

function Landscape({ small: { machine, landscape, data } }: { small: Small }) {
  const n = data.n_visible;
  const land = useMemo(() => terrain(landscape.free_energy), [landscape]);
  const T = temperature.value;
  const free = useMemo(() => physics.allFreeEnergies(machine, T), [machine, T]);
  const tosses = useRef(random(seed.value));
  const nothing = () => land.bottoms.map(() => 0);
  const [rolling, setRolling] = useState<Rolling>(() => ({ v: physics.bitsOf(ball.peek(), n), trail: [], visits: nothing() }));
  const [running, setRunning] = useState(false);
  const frame = useRef<HTMLDivElement>(null);
  const here = useOnScreen(frame);
  useEffect(() => {
    if (here && !isStill()) setRunning(true);
  }, [here]);
  const put = (v: number[]) => {
    setRolling((now) => ({ ...now, v, trail: [] }));
    ball.value = physics.stateOf(v);
  };
  const roll = (times: number) =>
    setRolling((now) => {
      let { v, trail } = now;
      const visits = [...now.visits];
      for (let k = 0; k < times; k++) {
        const uniforms = Array.from({ length: n + machine.c.length }, tosses.current);
        const h = physics.toss(physics.hiddenFields(machine, v), uniforms.slice(n), T).on;
        trail = [...trail, physics.stateOf(v)].slice(-TRAIL);
        v = physics.toss(physics.visibleFields(machine, h), uniforms.slice(0, n), T).on;
        visits[land.valley[physics.stateOf(v)]!]!++;
      }
      return { v, trail, visits };
    });
  useTicks(running && here, PER_SECOND, roll);
  const state = physics.stateOf(rolling.v);
  useEffect(() => {
    if (!running) ball.value = state; // where it lies still, a reload finds it
  }, [running, state]);
  const lowest = Math.min(...free);
  return (
    <>
      <div class="stack" ref={frame}>
        <figure class="card">
          <Terrainscape land={land} free={free} normal={landscape.free_energy} ball={rolling} side={data.side} onPut={(s) => put(physics.bitsOf(s, n))} />
          <div class="energy-foot">
            <div class="pixel-box">
              <Pixels
                v={rolling.v}
                side={data.side}
                label="The picture of the moment; each pixel is a switch"
                onPick={(i) => put(rolling.v.map((on, k) => (k === i ? 1 - on : on)))}
              />
              <p class="small">
                <b>{(free[state]! - lowest).toFixed(1)}</b> nats above the lowest,{" "}
                seen <b>{said(physics.distribution(free, T)[state]!)}</b> of the time
              </p>
            </div>
            <div class="controls">
              <div class="row">
                <button type="button" class="primary" onClick={() => setRunning(!running)}>
                  {running ? "Pause" : "Roll"}
                </button>
                <button type="button" onClick={() => roll(1)}>
                  One sweep
                </button>
                <button
                  type="button"
                  onClick={() => put(Array.from({ length: n }, () => (tosses.current() < 0.5 ? 1 : 0)))}
                >
                  Throw it anywhere
                </button>
              </div>
              <Slider
                label="Temperature"
                value={T}
                least={0.1}
                most={5}
                step={0.1}
                shown={T.toFixed(1)}
                onChange={(value) => {
                  temperature.value = value;
                  setRolling((now) => ({ ...now, visits: nothing() }));
                }}
              />
              <Visits land={land} visits={rolling.visits} exact={physics.distribution(free, T)} side={data.side} />
            </div>
          </div>
          <figcaption>
            All 512 pictures, each valley a funnel around the picture drawn below it. Only the valleys are true to the machine:
            which side of its funnel a picture stands on means nothing. Depths are exact at every temperature. Click the landscape
            or a pixel to move the ball.
          </figcaption>
        </figure>
      </div>
      <Copies
        request={post("/lab/landscape", { machine, temperature: T })}
        python={`${SMALL_IN_PYTHON}\nland = ask("landscape", {"machine": machine, "temperature": ${T.toFixed(1)}})\nprint(land["free_energy"][${state}], land["probability"][${state}])`}
      />
    </>
  );
}

const said = (p: number): string => (p < 0.0001 ? "less than 0.01\u00a0%" : p < 0.01 ? `${(100 * p).toFixed(2)}\u00a0%` : percent(p));

interface TerrainProps {
  land: Terrain;
  free: number[];
  normal: number[];
  ball: Rolling;
  side: number;
  onPut: (state: number) => void;
}

function Terrainscape({ land, free, normal, ball, side, onPut }: TerrainProps) {
  const place = useRef<HTMLDivElement>(null);
  const width = useWidth(place, 1000);
  const low = Math.min(...free);
  const [deepest, highest] = [Math.min(...normal), Math.max(...normal)];
  const foot = 46;
  const x = scaleLinear([0, free.length - 1], [LEFT, width - 6]);
  const y = scaleLinear([0, highest - deepest], [HEIGHT - foot - 14, 16]).clamp(true);
  const points = useMemo(() => land.order.map((state, k): [number, number] => [x(k), y(free[state]! - low)]), [free, land, width]);
  const ground = useMemo(() => area<[number, number]>((p) => p[0], HEIGHT - foot, (p) => p[1]).curve(curveMonotoneX)(points)!, [points]);
  const ridge = useMemo(() => line<[number, number]>((p) => p[0], (p) => p[1]).curve(curveMonotoneX)(points)!, [points]);
  const where = (state: number): [number, number] => points[land.place[state]!]!;
  const now = physics.stateOf(ball.v);
  const [bx, by] = where(now);
  const at = (event: MouseEvent) => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    const k = Math.round(x.invert(((event.clientX - box.left) / box.width) * width));
    onPut(land.order[Math.min(land.order.length - 1, Math.max(0, k))]!);
  };
  const shownWidth = Math.min(26, (width / land.bottoms.length) * 0.75);
  return (
    <div ref={place}>
      <p class="axis-title">free energy above the lowest, nats: higher is rarer</p>
      <svg class="terrain" viewBox={`0 0 ${width} ${HEIGHT}`} width={width} height={HEIGHT} role="img" aria-label="Free energy of all 512 pictures" onClick={at}>
        <path class="ground" d={ground} />
        {y.ticks(4).map((tick) => (
          <g key={tick} class="grid">
            <line x1={LEFT} x2={width - 6} y1={y(tick)} y2={y(tick)} />
            <text x={LEFT - 7} y={y(tick) + 4} text-anchor="end">
              {tick}
            </text>
          </g>
        ))}
        <path class="ridge" d={ridge} />
        {land.bottoms.map((bottom, k) => {
          const middle = (x(land.edges[k]!) + x(land.edges[k + 1]! - 1)) / 2;
          const room = x(land.edges[k + 1]! - 1) - x(land.edges[k]!);
          const size = Math.min(shownWidth, room * 0.9);
          return size >= 9 && <Glyph key={bottom} state={bottom} side={side} size={size} x={middle - size / 2} y={HEIGHT - foot + 14} />;
        })}
        {ball.trail.map((state, k) => {
          const [tx, ty] = where(state);
          return <circle key={k} class="trail" cx={tx} cy={ty - 5} r={3} opacity={(0.6 * (k + 1)) / ball.trail.length} />;
        })}
        <circle class="ball" r={8} cx={bx} cy={by - 8} />
      </svg>
    </div>
  );
}

const N_NAMED = 14;

/** Time spent in each valley: sampled so far, and what it must come to. */
function Visits({ land, visits, exact, side }: { land: Terrain; visits: number[]; exact: number[]; side: number }) {
  const share = land.bottoms.map(() => 0);
  exact.forEach((p, state) => (share[land.valley[state]!]! += p));
  const total = visits.reduce((sum, n) => sum + n, 0);
  const sampled = visits.map((n) => (total ? n / total : 0));
  const apart = physics.totalVariation(share, sampled);
  const most = Math.max(...share, ...sampled);
  const [least, greatest] = [percent(Math.min(...share.slice(0, N_NAMED))), percent(Math.max(...share))];
  return (
    <div class="visits">
      <div class="visit-bars" role="img" aria-label={`Share of the time in each valley, sampled and exact; ${percent(apart)} apart`}>
        {share.slice(0, N_NAMED).map((p, k) => (
          <span class="visit" key={k}>
            <span class="pillar">
              <span class="new" style={{ height: `${(100 * sampled[k]!) / most}%` }} />
              <span class="old" style={{ height: `${(100 * p) / most}%` }} />
            </span>
            <Picture state={land.bottoms[k]!} side={side} />
          </span>
        ))}
      </div>
      <p class="small soft">
        Share of the time in the valley of each picture. Outline: exact, {least === greatest ? greatest : `${least} to ${greatest}`}. Bars:
        sampled in {counted(total, "sweep")}{total > 0 && `, ${percent(apart)} apart`}.
      </p>
    </div>
  );
}
