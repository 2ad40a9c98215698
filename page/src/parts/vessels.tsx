import { useRef } from "preact/hooks";
import { percent } from "./bars";

export interface Vessel {
  unit: number;
  level: number; // 0 to 1
  mark?: number; // where it rests
  name: string;
}

/** Hidden units as vessels that fill; one tab stop, arrows move inside. */
export function Vessels(props: { label: string; units: Vessel[]; chosen?: number; plain?: boolean; onPick: (unit: number) => void }) {
  const { label, units, chosen, plain, onPick } = props;
  const place = useRef<HTMLDivElement>(null);
  const stop = units.some(({ unit }) => unit === chosen) ? chosen : units[0]?.unit;
  const keyed = (event: KeyboardEvent) => {
    const steps: Record<string, number> = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns(), ArrowUp: -columns() };
    const by = steps[event.key];
    if (by === undefined) return;
    event.preventDefault();
    const all = [...place.current!.querySelectorAll<HTMLElement>("button")];
    all[all.indexOf(document.activeElement as HTMLElement) + by]?.focus();
  };
  const columns = (): number => {
    const all = [...place.current!.querySelectorAll<HTMLElement>("button")];
    const below = all.findIndex((one) => one.offsetTop > all[0]!.offsetTop);
    return below > 0 ? below : all.length;
  };
  return (
    <div class="vessels" role="group" aria-label={label} ref={place} onKeyDown={keyed}>
      {units.map(({ unit, level, mark, name }) => (
        <button
          key={unit}
          type="button"
          class={plain ? `vessel ${mark! > 0.5 ? "up" : ""}` : tilt(level, mark)}
          tabIndex={unit === stop ? 0 : -1}
          aria-pressed={chosen === undefined ? undefined : unit === chosen}
          aria-label={`${name}: ${said(level, mark, plain)}`}
          title={`${name}: ${percent(level)} on`}
          onClick={() => onPick(unit)}
        >
          <span class="water" style={{ transform: `scaleY(${level})` }} />
          {mark !== undefined && <span class="mark" style={{ bottom: `${100 * mark}%` }} />}
        </button>
      ))}
    </div>
  );
}

function said(level: number, mark: number | undefined, plain = false): string {
  if (plain) return `${mark! > 0.5 ? "on" : "off"}, probability ${percent(level)}`;
  return `${percent(level)} on${mark === undefined ? "" : `, at rest ${percent(mark)}`}`;
}

const NOTICED = 0.02; // a smaller change is not coloured
const tilt = (level: number, mark?: number): string => {
  if (mark === undefined || Math.abs(level - mark) < NOTICED) return "vessel";
  return level > mark ? "vessel up" : "vessel down";
};
