// The small machine of several screens: bars and stripes on 3 by 3 pixels, learnt by the service, exact throughout.

import { ask, askOnce, post } from "./api";
import { type General, type Restricted, stateOf } from "./physics";

export type RestrictedMachine = Restricted & { kind: "restricted" };
export interface GeneralMachine {
  kind: "general";
  n_visible: number;
  J: number[][]; // (n_units, n_units), symmetric
  b: number[];
}
export type Machine = RestrictedMachine | GeneralMachine;

export const general = ({ J, b }: GeneralMachine): General => ({ J, b });

export interface LabData {
  side: number;
  n_visible: number;
  patterns: number[][];
  best_log_likelihood: number;
}

export interface Landscape {
  n_visible: number;
  free_energy: number[];
  probability: number[];
  log_partition: number;
  log_likelihood: number | null;
  probability_of_data: number | null;
}

export interface Statistics {
  pairs: number[][];
  b: number[];
  c: number[] | null;
}

export interface Learnt<M extends Machine = Machine> {
  machine: M;
  chains: number[][] | null;
  update: number;
  curve: { update: number; log_likelihood: number; seconds: number }[];
  data: Statistics;
  fantasy: Statistics;
  fantasies: number[][];
}

export interface Mixing {
  start: number[];
  distance: number[];
  half_life: number | null;
  n_sweeps: number;
  seconds_per_sweep: number;
}

export interface Small {
  data: LabData;
  patterns: number[]; // as state numbers
  machine: RestrictedMachine;
  landscape: Landscape;
}

export const N_HIDDEN = 8;
const N_UPDATES = 1000; // in one request
const N_REQUESTS = 1; // learnt further, the chains take too long to leave a valley
const RATE = 0.5;

export const labData = (): Promise<LabData> => askOnce<LabData>("/lab/data");

export async function newMachine<M extends Machine>(kind: M["kind"], n_hidden: number, seed: number, spread = 0.1): Promise<M> {
  const made = await ask<{ machine: M }>(post("/lab/machine", { kind, n_visible: 9, n_hidden, seed, spread }));
  return made.machine;
}

/** A machine that has learnt bars and stripes by the exact gradient. */
export async function learnt<M extends Machine>(kind: M["kind"], n_hidden: number, nRequests: number, rate: number): Promise<M> {
  let machine = await newMachine<M>(kind, n_hidden, 0);
  for (let k = 0; k < nRequests; k++) {
    const body = { machine, rule: "exact", n_updates: N_UPDATES, learning_rate: rate, record_every: N_UPDATES };
    machine = (await ask<Learnt<M>>(post("/lab/learn", body))).machine;
  }
  return machine;
}

export const landscapeOf = (machine: Machine, temperature = 1): Promise<Landscape> =>
  ask<Landscape>(post("/lab/landscape", { machine, temperature }));

let making: Promise<Small> | null = null;

/** The small machine, made once. */
export function small(): Promise<Small> {
  making ??= make();
  making.catch(() => (making = null));
  return making;
}

async function make(): Promise<Small> {
  const [data, machine] = await Promise.all([labData(), learnt<RestrictedMachine>("restricted", N_HIDDEN, N_REQUESTS, RATE)]);
  return { data, machine, patterns: data.patterns.map(stateOf), landscape: await landscapeOf(machine) };
}

/** A program that makes the same machine from the API. */
export const SMALL_IN_PYTHON = `import json, urllib.request

def ask(path, body):
    request = urllib.request.Request("${location.origin}/api/v1/lab/" + path, json.dumps(body).encode(),
                                     {"content-type": "application/json"})
    return json.load(urllib.request.urlopen(request))

machine = ask("machine", {"kind": "restricted", "n_visible": 9, "n_hidden": ${N_HIDDEN}, "seed": 0})["machine"]
for _ in range(${N_REQUESTS}):
    machine = ask("learn", {"machine": machine, "rule": "exact", "n_updates": ${N_UPDATES}, "learning_rate": ${RATE},
                            "record_every": ${N_UPDATES}})["machine"]
`;
