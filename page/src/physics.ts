// The physics of small machines, for what has to run at the speed of the screen. Python defines these numbers:
// tests/page replays this file against golden values that the library wrote.
//
// Restricted:  E(v, h) = -b.v - c.h - v W h          Any pairs:  E(s) = -b.s - 1/2 s J s
// At temperature T every field is divided by T. States are numbered by their bits: unit i is bit i.

export interface Restricted {
  W: number[][]; // (n_visible, n_hidden)
  b: number[]; // (n_visible,)
  c: number[]; // (n_hidden,)
}

export interface General {
  J: number[][]; // (n, n), symmetric, zero diagonal
  b: number[]; // (n,)
}

export type Clamp = (0 | 1 | null)[]; // null: free

export interface Toss {
  p: number[]; // probability of being on
  u: number[]; // what was drawn
  on: number[]; // u < p, or what it is clamped to
}

export const sigmoid = (x: number): number => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)));
export const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

export function hiddenFields({ W, c }: Restricted, v: number[]): number[] {
  return c.map((cj, j) => v.reduce((sum, vi, i) => sum + vi * W[i]![j]!, cj));
}

export function visibleFields({ W, b }: Restricted, h: number[]): number[] {
  return b.map((bi, i) => h.reduce((sum, hj, j) => sum + hj * W[i]![j]!, bi));
}

export function energy(machine: Restricted, v: number[], h: number[]): number {
  const bias = v.reduce((sum, vi, i) => sum + vi * machine.b[i]!, 0);
  return -bias - hiddenFields(machine, v).reduce((sum, x, j) => sum + x * h[j]!, 0);
}

/** Free energy at temperature T: -T log sum_h exp(-E(v, h) / T). */
export function freeEnergy(machine: Restricted, v: number[], T = 1): number {
  const bias = v.reduce((sum, vi, i) => sum + vi * machine.b[i]!, 0);
  return -bias - T * hiddenFields(machine, v).reduce((sum, x) => sum + softplus(x / T), 0);
}

/** Toss every unit of a layer at once, each by its own field. */
export function toss(fields: number[], uniforms: number[], T = 1, clamp?: Clamp): Toss {
  const p = fields.map((x) => sigmoid(x / T));
  const on = p.map((pi, i) => clamp?.[i] ?? (uniforms[i]! < pi ? 1 : 0));
  return { p, u: uniforms, on };
}

export const bitsOf = (state: number, n: number): number[] => Array.from({ length: n }, (_, i) => (state >> i) & 1);
export const stateOf = (bits: number[]): number => bits.reduce((sum, bit, i) => sum + bit * 2 ** i, 0);

/** Free energies of all visible states. */
export function allFreeEnergies(machine: Restricted, T = 1): number[] {
  const n = machine.b.length;
  return Array.from({ length: 2 ** n }, (_, state) => freeEnergy(machine, bitsOf(state, n), T));
}

/** exp(-F / T), normalised over the states that a clamp allows. */
export function distribution(free: number[], T = 1, clamp?: Clamp): number[] {
  const allowed = (state: number): boolean => !clamp || clamp.every((c, i) => c === null || ((state >> i) & 1) === c);
  const lowest = free.reduce((least, f, state) => (allowed(state) ? Math.min(least, f) : least), Infinity);
  const mass = free.map((f, state) => (allowed(state) ? Math.exp((lowest - f) / T) : 0));
  const total = mass.reduce((sum, m) => sum + m, 0);
  return mass.map((m) => m / total);
}

/** Half the summed difference between two distributions: 0 the same, 1 nothing in common. */
export const totalVariation = (p: number[], q: number[]): number =>
  p.reduce((sum, pi, i) => sum + Math.abs(pi - q[i]!), 0) / 2;

export interface Memory {
  time: number; // integrated autocorrelation time in steps, at least 1: so many steps are worth one independent draw
  correlation: number[]; // at lags from 0, as far as the time was summed
  reliable: boolean; // whether the trace is long enough; if not, the time is a lower bound
}

const WINDOW = 5; // times that the sum runs over, as in harmonium.sampling.mixing
const ENOUGH = 20; // times that a trace must span

/** How long numbers followed along one chain are remembered, taken together: their covariances are summed. */
export function memory(traces: number[][]): Memory {
  const n = traces[0]!.length;
  const centred = traces.map((trace) => {
    const mean = trace.reduce((sum, one) => sum + one, 0) / n;
    return Float64Array.from(trace, (one) => one - mean);
  });
  const covariance = (lag: number): number => {
    let sum = 0;
    for (const x of centred) for (let k = lag; k < n; k++) sum += x[k]! * x[k - lag]!;
    return sum;
  };
  const whole = covariance(0);
  if (!(whole > 0)) return { time: 1, correlation: [1], reliable: n >= ENOUGH };
  const correlation: number[] = [];
  let sum = -1;
  for (let lag = 0; lag < n; lag++) {
    correlation.push(covariance(lag) / whole);
    sum += 2 * correlation[lag]!;
    if (lag >= WINDOW * sum) return { time: Math.max(1, sum), correlation, reliable: n >= ENOUGH * Math.max(1, sum) };
  }
  return { time: Math.max(1, sum), correlation, reliable: false };
}

export const unitField = ({ J, b }: General, s: number[], i: number): number =>
  J[i]!.reduce((sum, w, k) => sum + w * s[k]!, b[i]!);

export function generalEnergy({ J, b }: General, s: number[]): number {
  return -s.reduce((sum, si, i) => sum + si * (b[i]! + J[i]!.reduce((inner, w, k) => inner + w * s[k]!, 0) / 2), 0);
}

/** For each state, the lowest state that always stepping to the lowest neighbour leads to; a neighbour differs in one unit. */
export function valleys(free: number[]): number[] {
  const n = Math.round(Math.log2(free.length));
  const bottom = new Array<number>(free.length).fill(-1);
  const descend = (state: number): number => {
    if (bottom[state]! >= 0) return bottom[state]!;
    let lowest = state;
    for (let i = 0; i < n; i++) if (free[state ^ (1 << i)]! < free[lowest]!) lowest = state ^ (1 << i);
    bottom[state] = lowest === state ? state : descend(lowest);
    return bottom[state]!;
  };
  free.forEach((_, state) => descend(state));
  return bottom;
}

/** Bits in which two states differ. */
export function distance(a: number, b: number): number {
  let x = a ^ b;
  let n = 0;
  for (; x; x &= x - 1) n++;
  return n;
}
