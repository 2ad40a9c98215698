import { bitsOf } from "../physics";

const CELL = 10;

/** A 3 by 3 picture to look at; part of an SVG when x and y are given. */
export function Glyph({ state, side, x = 0, y = 0, size }: { state: number; side: number; x?: number; y?: number; size: number }) {
  const cell = size / side;
  return (
    <g transform={`translate(${x} ${y})`} class="glyph">
      <rect width={size} height={size} class="back" />
      {bitsOf(state, side * side).map(
        (on, i) =>
          on === 1 && <rect key={i} class="on" x={(i % side) * cell} y={Math.floor(i / side) * cell} width={cell} height={cell} />,
      )}
    </g>
  );
}

/** The same as a picture of its own. */
export function Picture({ state, side, label }: { state: number; side: number; label?: string }) {
  const size = side * CELL;
  const naming = label === undefined ? { "aria-hidden": true } : { role: "img" as const, "aria-label": label };
  return (
    <svg class="picture" viewBox={`-1 -1 ${size + 2} ${size + 2}`} {...naming}>
      <Glyph state={state} side={side} size={size} />
    </svg>
  );
}

/** A picture whose pixels are switches. */
export function Pixels(props: { v: number[]; side: number; held?: (0 | 1 | null)[]; label: string; onPick: (i: number) => void }) {
  const { v, side, held, label, onPick } = props;
  return (
    <div class="pixels" role="group" aria-label={label}>
      {v.map((on, i) => (
        <button
          key={i}
          type="button"
          class={`pixel${on ? " on" : ""}${held?.[i] != null ? " held" : ""}`}
          aria-pressed={on === 1}
          aria-label={`Pixel ${Math.floor(i / side) + 1}, ${(i % side) + 1}${held?.[i] != null ? ", held" : ""}`}
          onClick={() => onPick(i)}
        />
      ))}
    </div>
  );
}
