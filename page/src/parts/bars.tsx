// Small signed bars: blue to the right with a plus, orange to the left with a minus.

export const MINUS = "−";
export const signed = (x: number, digits: number): string =>
  `${x > 0 ? "+" : x < 0 ? MINUS : ""}${Math.abs(x).toFixed(digits)}`;
export const points = (share: number): string => signed(100 * share, Math.abs(share) < 0.0995 ? 1 : 0);
export const percent = (share: number): string => `${Math.round(100 * share)}\u00a0%`;
export const counted = (n: number, what: string): string => `${n.toLocaleString("en")} ${what}${n === 1 ? "" : "s"}`;

export function SignedBar({ value, most }: { value: number; most: number }) {
  const share = most > 0 ? Math.min(1, Math.abs(value) / most) : 0;
  return (
    <span class={value < 0 ? "signed-bar minus" : "signed-bar plus"} aria-hidden="true">
      <span style={{ width: `${50 * share}%` }} />
    </span>
  );
}

/** A probability as a bar. */
export function Share({ value }: { value: number }) {
  return (
    <span class="share" aria-hidden="true">
      <span style={{ transform: `scaleX(${value})` }} />
    </span>
  );
}
