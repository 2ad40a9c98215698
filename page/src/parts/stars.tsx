import { useRef, useState } from "preact/hooks";

interface Props {
  label: string;
  levels: number[];
  value: number | null;
  onRate: (rating: number) => void;
  onClear?: () => void;
}

const STAR = "M12 2.6l2.9 6 6.5.9-4.7 4.6 1.1 6.5L12 17.5l-5.8 3.1 1.1-6.5L2.6 9.5l6.5-.9z";
const MOST_STARS = 10;

/** A rating as stars, set by a click or by the arrow keys. Scales without stars to show get a plain number. */
export function Stars({ label, levels, value, onRate, onClear }: Props) {
  const [aimed, setAimed] = useState<number | null>(null);
  const place = useRef<HTMLDivElement>(null);
  const [least, most] = [levels[0]!, levels.at(-1)!];
  const nStars = Math.ceil(most);
  const shown = aimed ?? value;
  const levelAt = (event: PointerEvent): number => {
    const box = place.current!.getBoundingClientRect();
    const share = (event.clientX - box.left) / box.width;
    const wanted = nStars <= MOST_STARS && most > 0 ? share * nStars : least + share * (most - least);
    return levels.find((level) => level >= wanted - 1e-9) ?? most;
  };
  const move = (by: number) => {
    const now = value === null ? Math.floor(levels.length / 2) - Math.sign(by) : levels.indexOf(value);
    onRate(levels[Math.min(levels.length - 1, Math.max(0, now + by))]!);
  };
  const keyed = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const digit = Number(event.key);
    if (["ArrowRight", "ArrowUp"].includes(event.key)) move(1);
    else if (["ArrowLeft", "ArrowDown"].includes(event.key)) move(-1);
    else if (event.key === "Home") onRate(least);
    else if (event.key === "End") onRate(most);
    else if (event.key !== " " && levels.includes(digit)) onRate(digit);
    else if (["Delete", "Backspace"].includes(event.key) && onClear) onClear();
    else return;
    event.preventDefault();
  };
  return (
    <div
      ref={place}
      class="stars"
      role="slider"
      tabIndex={0}
      aria-label={label}
      aria-valuemin={least}
      aria-valuemax={most}
      aria-valuenow={value ?? least}
      aria-valuetext={value === null ? "not rated" : `${value} of ${most}`}
      onPointerMove={(event) => event.pointerType === "mouse" && setAimed(levelAt(event))}
      onPointerLeave={() => setAimed(null)}
      onClick={(event) => {
        setAimed(null);
        onRate(levelAt(event as unknown as PointerEvent));
      }}
      onKeyDown={keyed}
    >
      {nStars <= MOST_STARS && most > 0 ? (
        Array.from({ length: nStars }, (_, k) => <Star key={k} full={Math.min(1, Math.max(0, (shown ?? 0) - k))} aimed={aimed !== null} />)
      ) : (
        <span class="level">{shown ?? "–"}</span>
      )}
    </div>
  );
}

function Star({ full, aimed }: { full: number; aimed: boolean }) {
  return (
    <svg viewBox="0 0 24 24" class={aimed ? "star aimed" : "star"} aria-hidden="true">
      <path d={STAR} class="empty" />
      {full > 0 && <path d={STAR} class={full < 1 ? "full half" : "full"} />}
    </svg>
  );
}

/** Predicted stars, to look at. */
export function StarValue({ value, most }: { value: number; most: number }) {
  return (
    <span class="star-value">
      <svg viewBox="0 0 24 24" aria-hidden="true">
        <path d={STAR} />
      </svg>
      {value.toFixed(1)}
      <span class="hidden-text"> of {most} stars</span>
    </span>
  );
}
