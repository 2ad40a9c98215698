// The person at the page: what they rated, and what the service makes of it.

import { computed, signal } from "@preact/signals";
import { ask, askOnce, get, post, type Request } from "./api";
import { idOf, itemOf, ratings } from "./state";
import type { Activation, Item, ModelInfo, PredictedItem } from "./types";

/** The items met so far, by id, for their titles. */
export const known = signal<Record<string, Item>>({});

export function meet(items: readonly Item[]): void {
  const fresh = items.filter((item) => !(idOf(item.item_id) in known.peek()));
  if (fresh.length) known.value = { ...known.peek(), ...Object.fromEntries(fresh.map((item) => [idOf(item.item_id), item])) };
}

export const titleOf = (id: string): string => known.value[id]?.title ?? String(itemOf(id));

/** The history as the API takes it. */
export const history = computed(() => ratings.value.map(({ id, rating }) => ({ item: itemOf(id), rating })));

export const N_LISTED = 10;
const N_REASONS = 3; // the first that speaks for the film is shown
export const recommendRequest = computed<Request>(() =>
  post("/recommend", { history: history.value, n: N_LISTED, n_reasons: N_REASONS }),
);
export const activationsRequest = computed<Request>(() => post("/activations", { history: history.value }));

/** How far the history turns each unit on; filled by the Taste screen, looked at by others. */
export const activations = signal<Activation[]>([]);

/** The history in Python, titles where they are known. */
export const historyInPython = computed(() => {
  const entries = ratings.value.map(({ id, rating }) => `    ${JSON.stringify(titleOf(id))}: ${rating},\n`);
  return entries.length ? `{\n${entries.join("")}}` : "{}";
});

/** A program that opens the model that is served. */
export function pythonOf(model: ModelInfo | null, lines: string): string {
  const name = JSON.stringify(model?.name ?? "films.harmonium");
  return `from harmonium import Recommender\n\nrecommender = Recommender.load(${name})\nhistory = ${historyInPython.value}\n${lines}`;
}

/** Learn the titles of rated items that came with the URL. */
export async function meetRated(): Promise<void> {
  const strangers = ratings.value.map(({ id }) => id).filter((id) => !(id in known.peek()));
  if (!strangers.length) return;
  try {
    const found = await ask<{ predictions: PredictedItem[] }>(post("/predict", { history: [], items: strangers.map(itemOf) }));
    meet(found.predictions);
  } catch {
    await dropUnknown(strangers); // a link from another model
  }
}

async function dropUnknown(strangers: string[]): Promise<void> {
  for (const id of strangers) {
    await ask<{ predictions: PredictedItem[] }>(post("/predict", { history: [], items: [itemOf(id)] })).then(
      ({ predictions }) => meet(predictions),
      () => (ratings.value = ratings.value.filter((one) => one.id !== id)),
    );
  }
}

export interface Example {
  name: string;
  rated: { item: Item; rating: number }[];
}

const EXAMPLES: Record<string, [string[], string[]]> = {
  "Space and machines": [
    ["Blade Runner (1982)", "Alien (1979)", "Terminator, The (1984)", "2001: A Space Odyssey (1968)"],
    ["Notting Hill (1999)", "Pretty Woman (1990)"],
  ],
  "Love and laughter": [
    ["Notting Hill (1999)", "Sleepless in Seattle (1993)", "When Harry Met Sally... (1989)", "Pretty Woman (1990)"],
    ["Alien (1979)", "Terminator, The (1984)"],
  ],
  "Drawn and animated": [
    ["Toy Story (1995)", "Spirited Away (2001)", "Finding Nemo (2003)", "Lion King, The (1994)"],
    ["Alien (1979)", "Pretty Woman (1990)"],
  ],
};

/** Example tastes; none where the model does not know these films. */
export async function loadExamples(model: ModelInfo): Promise<Example[]> {
  const { levels } = model.scale;
  const [lowest, highest] = [levels[0]!, levels.at(-1)!];
  const titles = [...new Set(Object.values(EXAMPLES).flat(2))];
  const [first] = (await ask<{ items: Item[] }>(get(`/items?q=${encodeURIComponent(titles[0]!)}&limit=1`))).items;
  if (first?.title !== titles[0]) return [];
  const { predictions } = await ask<{ predictions: PredictedItem[] }>(post("/predict", { history: [], items: titles }));
  meet(predictions);
  const found = new Map(titles.map((title, place) => [title, predictions[place]!]));
  return Object.entries(EXAMPLES).map(([name, [liked, disliked]]) => ({
    name,
    rated: [
      ...liked.map((title) => ({ item: found.get(title)!, rating: highest })),
      ...disliked.map((title) => ({ item: found.get(title)!, rating: lowest })),
    ],
  }));
}

export const loadModel = (): Promise<ModelInfo> => askOnce<ModelInfo>("/model");

const N_ASKED = 120; // most rated items to ask about
export async function loadPopular(): Promise<Item[]> {
  const { items } = await ask<{ items: Item[] }>(get(`/items?limit=${N_ASKED}`));
  meet(items);
  return items;
}

export async function search(text: string, signal: AbortSignal): Promise<Item[]> {
  const { items } = await ask<{ items: Item[] }>(get(`/items?q=${encodeURIComponent(text)}&limit=8`), signal);
  meet(items);
  return items;
}
