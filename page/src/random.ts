// Tosses that can be replayed: the same seed gives the same numbers on every machine.

export type Random = () => number;

/** Uniform numbers in [0, 1) by SplitMix32 (Steele, Lea & Flood 2014, in its 32-bit form). */
export function random(seed: number): Random {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let z = state ^ (state >>> 16);
    z = Math.imul(z, 0x21f0aaad);
    z ^= z >>> 15;
    z = Math.imul(z, 0x735a2d97);
    z ^= z >>> 15;
    return (z >>> 0) / 4294967296;
  };
}
