import { scaleLinear } from "d3-scale";
import { line } from "d3-shape";
import { useRef } from "preact/hooks";
import { useWidth } from "../parts/motion";

interface Props {
  values: number[];
  label: string;
  length: number; // how many the width holds
  yTitle: string;
  xTitle: string;
  empty: string; // said where there are no values yet
  height?: number;
}

const LEFT = 34;

/** A running line: the last values of something, the newest at the right. */
export function Trace({ values, label, length, yTitle, xTitle, empty, height = 110 }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const width = useWidth(place, 420);
  const shown = values.slice(-length);
  const [low, high] = shown.length ? [Math.min(...shown), Math.max(...shown)] : [0, 1];
  const x = scaleLinear([0, length - 1], [LEFT, width - 8]);
  const y = scaleLinear([low, high === low ? low + 1 : high], [height - 12, 10]).clamp(true).nice(3);
  const path = line<number>((_, k) => x(k), (value) => y(value))(shown);
  const last = shown.at(-1);
  return (
    <div ref={place}>
      <p class="axis-title">{yTitle}</p>
      <svg class="trace" viewBox={`0 0 ${width} ${height}`} width={width} height={height} role="img" aria-label={label}>
        {!shown.length && (
          <text x={width / 2} y={height / 2} text-anchor="middle">
            {empty}
          </text>
        )}
        {(shown.length ? y.ticks(3) : []).map((tick) => (
          <g key={tick} class="grid">
            <line x1={LEFT} x2={width - 8} y1={y(tick)} y2={y(tick)} />
            <text x={LEFT - 6} y={y(tick) + 4} text-anchor="end">
              {String(tick).replace("-", "−")}
            </text>
          </g>
        ))}
        {path && <path class="line" d={path} />}
        {last !== undefined && <circle class="dot" r={4} cx={x(shown.length - 1)} cy={y(last)} />}
      </svg>
      <p class="axis-title below">{xTitle}</p>
    </div>
  );
}
