import { type ScaleContinuousNumeric, scaleLinear, scaleLog } from "d3-scale";
import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import { useWidth } from "../parts/motion";

type Scale = ScaleContinuousNumeric<number, number>;

export interface Area {
  x: Scale;
  y: Scale;
  width: number;
  height: number;
}

interface Props {
  label: string;
  x: [number, number];
  y: [number, number];
  xTitle: string;
  yTitle: string;
  height?: number;
  logX?: boolean;
  logY?: boolean;
  right?: number; // room for labels at the lines' ends
  yTicks?: number;
  xFormat?: (tick: number) => string;
  yFormat?: (tick: number) => string;
  children: (area: Area) => ComponentChildren;
}

const MARGIN = { top: 10, bottom: 26, left: 46 };
const plain = (tick: number): string => String(Number(tick.toPrecision(6))).replace("-", "−");

const FEW = 3; // decades; with fewer, 2 and 5 are marked as well

/** Ticks of a logarithmic axis. */
function decades(scale: Scale): number[] {
  const [low, high] = scale.domain() as [number, number];
  const wanted = Math.log10(high / low) < FEW ? [1, 2, 5] : [1];
  return scale.ticks().filter((tick) => wanted.includes(Math.round(tick / 10 ** Math.floor(Math.log10(tick) + 1e-9))));
}

const APART = 46; // px between the middles of an axis's labels, lest they touch on a narrow screen

/** Those ticks of an x axis whose labels have room. */
function spaced(ticks: number[], scale: Scale): number[] {
  return ticks.reduce<number[]>((kept, tick) => {
    const last = kept.at(-1);
    return last === undefined || scale(tick) - scale(last) >= APART ? [...kept, tick] : kept;
  }, []);
}

/** Axes and grid; the children draw inside. */
export function Plot(props: Props) {
  const { label, xTitle, yTitle, height = 260, logX = false, logY = false, right = 22, yTicks = 5, children } = props;
  const { xFormat = plain, yFormat = plain } = props;
  const place = useRef<HTMLDivElement>(null);
  const width = useWidth(place, 520);
  const x: Scale = (logX ? scaleLog() : scaleLinear()).domain(props.x).range([MARGIN.left, width - right]);
  const y: Scale = (logY ? scaleLog() : scaleLinear()).domain(props.y).range([height - MARGIN.bottom, MARGIN.top]);
  const xTicks = logX ? spaced(decades(x), x) : x.ticks(Math.max(2, Math.floor(width / 90)));
  return (
    <div ref={place}>
      <p class="axis-title">{yTitle}</p>
      <svg class="plot" viewBox={`0 0 ${width} ${height}`} width={width} height={height} role="img" aria-label={label}>
        {(logY ? decades(y) : y.ticks(yTicks)).map((tick) => (
          <g key={`y${tick}`} class="grid">
            <line x1={MARGIN.left} x2={width - right} y1={y(tick)} y2={y(tick)} />
            <text x={MARGIN.left - 7} y={y(tick) + 4} text-anchor="end">
              {yFormat(tick)}
            </text>
          </g>
        ))}
        {xTicks.map((tick) => (
          <text key={`x${tick}`} x={x(tick)} y={height - MARGIN.bottom + 18} text-anchor="middle">
            {xFormat(tick)}
          </text>
        ))}
        {children({ x, y, width, height: height - MARGIN.bottom })}
      </svg>
      <p class="axis-title below">{xTitle}</p>
    </div>
  );
}

export interface Series {
  name: string;
  kind: string; // a class: colour and dashes
  points: [number, number][];
  left?: boolean; // its name stands before its end
}

/** Lines of a plot, each with its name at its end, kept apart. */
export function Lines({ area: { x, y }, series }: { area: Area; series: Series[] }) {
  const apart = 15; // px between names
  const ends = series
    .filter(({ points }) => points.length)
    .map((one) => ({ one, at: y(one.points.at(-1)![1]) }))
    .sort((a, b) => a.at - b.at);
  ends.forEach((end, k) => k && (end.at = Math.max(end.at, ends[k - 1]!.at + apart)));
  return (
    <>
      {ends.map(({ one, at }) => (
        <g key={one.name} class={`series ${one.kind}`}>
          <path d={`M${one.points.map(([a, b]) => `${x(a).toFixed(1)},${y(b).toFixed(1)}`).join("L")}`} />
          <text x={x(one.points.at(-1)![0]) + (one.left ? -9 : 7)} y={at + 4} text-anchor={one.left ? "end" : "start"}>
            {one.name}
          </text>
        </g>
      ))}
    </>
  );
}
