// The person at the page: what they rated, and what the service makes of it.

import { computed, signal } from "@preact/signals";
import { ApiError, ask, askOnce, get, post, type Request } from "./api";
import { type Rated, idOf, itemOf, rankBy, ratings } from "./state";
import type { Item, Recommendations, Served } from "./types";

/** The items met so far, by id, for their titles. */
export const known = signal<Record<string, Item>>({});

export function meet(items: readonly Item[]): void {
  const fresh = items.filter((item) => !(idOf(item.item_id) in known.peek()));
  if (fresh.length) known.value = { ...known.peek(), ...Object.fromEntries(fresh.map((item) => [idOf(item.item_id), item])) };
}

export const titleOf = (id: string): string => known.value[id]?.title ?? String(itemOf(id));

/** A history as the API takes it. */
export const told = (rated: Rated[]) => rated.map(({ id, rating }) => ({ item: itemOf(id), rating }));
export const history = computed(() => told(ratings.value));

/** What is served, once that is known. */
export const served = signal<Served | null>(null);

/** How lists are to be ranked; null by the model's own rule. A model of choices knows no other. */
export const ranking = computed<"liking" | null>(() =>
  rankBy.value === "liking" && served.value?.kind === "ratings" && served.value.has_choices ? "liking" : null,
);

export const N_LISTED = 10;
const N_REASONS = 3; // the first that speaks for the film is shown
/** Null until it is known whether the model can rank as the address says. */
export const recommendRequest = computed<Request | null>(() => {
  if (rankBy.value && !served.value) return null;
  const asked = { history: history.value, n: N_LISTED, n_reasons: N_REASONS, with_hidden: true };
  return post("/recommend", ranking.value ? { ...asked, rank_by: ranking.value } : asked);
});

/** What the Taste screen was answered last: one request serves the list, the hidden units, and the other screens. */
export const listed = signal<Recommendations | null>(null);

/** How far the history turns each unit on; empty where the model has none. */
export const activations = computed<number[]>(() => listed.value?.hidden ?? []);

/** Where each unit rests for someone unknown: what the first answer without a history would say. */
export const loadResting = (): Promise<number[]> =>
  askOnce<{ units: { resting_activation: number }[] }>("/units?n=1").then(({ units }) => units.map((one) => one.resting_activation));

/** A history in Python, titles where they are known. */
function inPython(rated: Rated[]): string {
  const entries = rated.map(({ id, rating }) => `    ${JSON.stringify(titleOf(id))}: ${rating},\n`);
  return entries.length ? `{\n${entries.join("")}}` : "{}";
}

/** A program that opens the model that is served. */
export function pythonOf(model: Served | null, lines: string, rated: Rated[] = ratings.value): string {
  const name = JSON.stringify(model?.name ?? "films.harmonium");
  const loader = model?.kind === "choices" ? "ChoiceRecommender" : "Recommender";
  return `from harmonium import ${loader}\n\nrecommender = ${loader}.load(${name})\nhistory = ${inPython(rated)}\n${lines}`;
}

/** Learn the titles of rated items that came with the URL; one that the model does not know leaves the ratings. */
export async function meetRated(): Promise<void> {
  const strangers = ratings.value.map(({ id }) => id).filter((id) => !(id in known.peek()));
  await Promise.all(
    strangers.map((id) =>
      ask<Item>(get(`/items/${encodeURIComponent(itemOf(id))}`)).then(
        (item) => meet([item]),
        (error: Error) => {
          if (error instanceof ApiError && error.status === 422) ratings.value = ratings.value.filter((one) => one.id !== id);
        },
      ),
    ),
  );
}

export interface Example {
  name: string;
  rated: { item: Item; rating: number }[];
}

/** Example tastes, chosen by the model: well-known items far from each other. */
export async function loadExamples(model: Served): Promise<Example[]> {
  const { examples } = await askOnce<{ examples: { liked: Item[]; disliked: Item[] }[] }>("/examples");
  const [lowest, highest] = model.kind === "choices" ? [0, CHOSEN] : [model.scale.levels[0]!, model.scale.levels.at(-1)!];
  return examples.map(({ liked, disliked }) => ({
    name: liked[0]!.title,
    rated: [
      ...liked.map((item) => ({ item, rating: highest })),
      ...(model.kind === "choices" ? [] : disliked.map((item) => ({ item, rating: lowest }))),
    ],
  }));
}

/** What somebody made up has rated. */
export const ratedBy = ({ rated }: Example): Rated[] => rated.map(({ item, rating }) => ({ id: idOf(item.item_id), rating }));

export const CHOSEN = 1; // the "rating" of what was chosen: its weight

export const loadModel = (): Promise<Served> =>
  askOnce<Served>("/model").then((model) => {
    served.value = model;
    return model;
  });

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
