// Where the 512 pictures stand in a landscape.

import { distribution, valleys } from "./physics";

export interface Terrain {
  order: number[]; // states from left to right
  place: number[]; // of each state
  bottoms: number[]; // of the valleys, from left to right
  valley: number[]; // of each state, as a position in bottoms
  edges: number[]; // where each valley begins, one more than bottoms
}

/** Lay the states out so that each valley is a funnel around its bottom, the most probable valley first. */
export function terrain(free: number[]): Terrain {
  const bottom = valleys(free);
  const mass = new Map<number, number>();
  const members = new Map<number, number[]>();
  distribution(free).forEach((p, state) => {
    const to = bottom[state]!;
    mass.set(to, (mass.get(to) ?? 0) + p);
    members.set(to, [...(members.get(to) ?? []), state]);
  });
  const bottoms = [...members.keys()].sort((a, b) => mass.get(b)! - mass.get(a)!);
  const order: number[] = [];
  const edges = [0];
  for (const one of bottoms) {
    const [left, right]: [number[], number[]] = [[], []];
    const rising = members.get(one)!.sort((a, b) => free[a]! - free[b]!);
    rising.forEach((state, k) => (k % 2 ? left : right).push(state));
    order.push(...left.reverse(), ...right);
    edges.push(order.length);
  }
  const place = new Array<number>(free.length);
  order.forEach((state, k) => (place[state] = k));
  return { order, place, bottoms, edges, valley: bottom.map((one) => bottoms.indexOf(one)) };
}
