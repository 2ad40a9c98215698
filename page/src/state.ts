// What the page shows lives in the URL, so that a link, a reload and the back button bring the same view.

import { effect, signal, type Signal } from "@preact/signals";

interface Synced {
  write(to: URLSearchParams): void;
  read(from: URLSearchParams): void;
}

const synced: Synced[] = [];
const PAUSE = 200; // ms; browsers refuse more than a few history calls a second

/** A signal that is kept under a name in the URL's query; its default value leaves no trace there. All of them stand in
 * this file: one that a screen brought along later would find its part of the URL gone. */
function kept<T>(name: string, normal: T, format: (value: T) => string[], parse: (texts: string[]) => T): Signal<T> {
  const one = signal(normal);
  const plain = format(normal).join("\n");
  synced.push({
    write(to) {
      const texts = format(one.value);
      if (texts.join("\n") !== plain) for (const text of texts) to.append(name, text);
    },
    read(from) {
      const texts = from.getAll(name);
      one.value = texts.length ? parse(texts) : normal;
    },
  });
  return one;
}

const keptText = (name: string, normal: string): Signal<string> =>
  kept(name, normal, (value) => [value], (texts) => texts[0]!);

const keptNumber = (name: string, normal: number, least: number, most: number): Signal<number> =>
  kept(
    name,
    normal,
    (value) => [String(value)],
    (texts) => {
      const value = Number(texts[0]);
      return Number.isFinite(value) ? Math.min(most, Math.max(least, value)) : normal;
    },
  );

/** Read the URL, and from now on keep it up to date. */
export function followUrl(): void {
  let seen = "";
  let timer = 0;
  const read = (): void => {
    clearTimeout(timer);
    seen = location.search;
    const query = new URLSearchParams(seen);
    for (const one of synced) one.read(query);
  };
  const write = (text: string): void => {
    history.replaceState(history.state, "", `${location.pathname}${text}${location.hash}`);
    seen = location.search;
  };
  read();
  // A link to another screen is a popstate too; then the query stays, and what is still to be written must not be lost.
  addEventListener("popstate", () => location.search !== seen && read());
  effect(() => {
    const query = new URLSearchParams();
    for (const one of synced) one.write(query);
    const text = query.toString() && `?${query}`;
    clearTimeout(timer);
    timer = setTimeout(write, PAUSE, text);
  });
}

// The taste: what someone rated, in the order given. `null` is "seen, not rated"; not seen is not in the history at all.

export interface Rated {
  id: string; // JSON of the item's id, so that 7 and "7" stay apart
  rating: number;
}

const MARK = "*";
const formatRated = (all: Rated[]): string[] => all.map(({ id, rating }) => `${id}${MARK}${rating}`);
const parseRated = (texts: string[]): Rated[] =>
  texts.flatMap((text) => {
    const cut = text.lastIndexOf(MARK);
    const rating = Number(text.slice(cut + 1));
    const id = text.slice(0, cut);
    return cut > 0 && isId(id) && Number.isFinite(rating) ? [{ id, rating }] : [];
  });
export const ratings = kept<Rated[]>("r", [], formatRated, parseRated);
export const notSeen = kept<string[]>("n", [], (all) => all, (texts) => texts.filter(isId));
export const rankBy = keptText("rank", ""); // "" by the model's own rule, or "liking"
export const why = keptText("why", "");
export const reasonsOf = keptText("of", ""); // what reasons are told of: "" the place in the list, or "liking"
export const unit = keptNumber("unit", 0, 0, 100_000);
export const names = kept<Record<number, string>>(
  "name",
  {},
  (all) => Object.entries(all).map(([j, name]) => `${j}${MARK}${name}`),
  (texts) =>
    Object.fromEntries(
      texts.flatMap((text) => {
        const cut = text.indexOf(MARK);
        const j = Number(text.slice(0, cut));
        return cut > 0 && Number.isInteger(j) ? [[j, text.slice(cut + 1)]] : [];
      }),
    ),
);
export const seed = keptNumber("seed", 1, 0, 2 ** 31);
export const heldFilms = kept<Rated[]>("hold", [], formatRated, parseRated); // of the films' chain, at a level's code
export const clamps = keptText("clamp", "");
export const held = keptText("held", "on"); // the dream: "on", "off" or "no"
export const speed = keptNumber("speed", 1, 0, 6); // of Gibbs sampling, as a position in its list
export const updates = keptNumber("updates", 0, 0, 10_000); // of the learning machine
export const rule = keptText("rule", "cd1"); // by which it learns
export const temperature = keptNumber("T", 1, 0.1, 5);
export const ball = keptNumber("ball", 0b010_110_011, 0, 511); // the picture that it was put on
export const mixingIn = keptText("in", "turns"); // what forgetting is counted in
export const curve = keptText("curve", "validation_rmse"); // of training
export const measure = keptText("measure", "rmse"); // of the evaluation
export const theme = keptText("theme", "");

function isId(text: string): boolean {
  try {
    return ["string", "number"].includes(typeof JSON.parse(text));
  } catch {
    return false;
  }
}

export const idOf = (itemId: string | number): string => JSON.stringify(itemId);
export const itemOf = (id: string): string | number => JSON.parse(id) as string | number;

/** Rate an item, or change its rating. */
export function rate(id: string, rating: number): void {
  const others = ratings.value.filter((one) => one.id !== id);
  const place = ratings.value.findIndex((one) => one.id === id);
  notSeen.value = notSeen.value.filter((one) => one !== id);
  ratings.value = place < 0 ? [...others, { id, rating }] : others.toSpliced(place, 0, { id, rating });
}

/** Take a rating back. */
export function unrate(id: string): void {
  ratings.value = ratings.value.filter((one) => one.id !== id);
}

/** Say that an item was not seen; it leaves the history and the questions, and stays among the recommendations. */
export function sayNotSeen(id: string): void {
  unrate(id);
  notSeen.value = [...notSeen.value.filter((one) => one !== id), id];
}

/** The name someone gave a unit, or its number. */
export const unitName = (j: number): string => names.value[j] || `Unit ${j}`;
