// Two machines taking turns: which units a turn draws, and where a chain is.

import * as physics from "./physics";
import { type GeneralMachine, type RestrictedMachine, general } from "./small";

export const N_TRACED = 140; // energies that a chain keeps

export interface Runner {
  s: number[]; // pixels first, then hidden units
  turn: number;
  drawn: number[]; // units of the last turn
  energies: number[];
  pictures: number; // finished sweeps
  changed: number; // sweeps after which the picture was another bar or stripe than the last one
  last: number; // bar or stripe met last
}

export const runner = (n: number): Runner => ({
  s: new Array<number>(n).fill(0),
  turn: 0,
  drawn: [],
  energies: [],
  pictures: 0,
  changed: 0,
  last: -1,
});

export interface Track {
  blocks: number[][];
  fields: (s: number[], block: number) => number[]; // of the block's units
  energy: (s: number[]) => number;
}

export function tracks(restricted: RestrictedMachine, whole: GeneralMachine): [Track, Track] {
  const [n, m] = [restricted.b.length, restricted.c.length];
  const units = (from: number, to: number) => Array.from({ length: to - from }, (_, k) => from + k);
  const pairs = general(whole);
  const order = [...units(n, whole.b.length), ...units(0, n)];
  return [
    {
      blocks: [units(n, n + m), units(0, n)],
      fields: (s, block) => (block ? physics.visibleFields(restricted, s.slice(n)) : physics.hiddenFields(restricted, s.slice(0, n))),
      energy: (s) => physics.energy(restricted, s.slice(0, n), s.slice(n)),
    },
    {
      blocks: order.map((i) => [i]),
      fields: (s, block) => [physics.unitField(pairs, s, order[block]!)],
      energy: (s) => physics.generalEnergy(pairs, s),
    },
  ];
}

export function move(from: Runner, { blocks, fields, energy }: Track, patterns: Set<number>, n: number, times: number, toss: () => number): Runner {
  const now: Runner = { ...from, s: [...from.s], energies: [...from.energies] };
  for (let k = 0; k < times; k++) {
    const block = now.turn % blocks.length;
    now.drawn = blocks[block]!;
    fields(now.s, block).forEach((field, i) => (now.s[now.drawn[i]!] = toss() < physics.sigmoid(field) ? 1 : 0));
    now.turn++;
    now.energies.push(energy(now.s));
    if (now.turn % blocks.length) continue;
    now.pictures++;
    const picture = physics.stateOf(now.s.slice(0, n));
    if (!patterns.has(picture)) continue;
    if (picture !== now.last) now.changed++;
    now.last = picture;
  }
  now.energies = now.energies.slice(-N_TRACED);
  return now;
}

export interface Pair {
  restricted: RestrictedMachine;
  whole: GeneralMachine;
  turns: number[]; // of a sweep of each
}
