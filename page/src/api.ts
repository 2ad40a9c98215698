// The one way to the service. Numbers on this page come from here; see physics.ts for what is computed in the browser.

export const BASE = "/api/v1";

export interface Request {
  method: "GET" | "POST";
  path: string; // after /api/v1, with its query
  body?: unknown;
}

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

const kept = new Map<string, Promise<unknown>>();

/** The answer to a request. */
export async function ask<T>(request: Request, signal?: AbortSignal): Promise<T> {
  const options: RequestInit = { method: request.method, headers: { accept: "application/json" } };
  if (signal) options.signal = signal;
  if (request.body !== undefined) {
    options.body = JSON.stringify(request.body);
    options.headers = { ...options.headers, "content-type": "application/json" };
  }
  let answer: Response;
  try {
    answer = await fetch(BASE + request.path, options);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, "the service does not answer; is it still running?");
  }
  const said: unknown = await answer.json().catch(() => null);
  if (!answer.ok) throw new ApiError(answer.status, messageOf(said) ?? `the service answered ${answer.status}`);
  return said as T;
}

/** The answer to a GET that stays the same while the page is open. */
export function askOnce<T>(path: string): Promise<T> {
  let promise = kept.get(path);
  if (!promise) {
    promise = ask<T>({ method: "GET", path });
    promise.catch(() => kept.delete(path));
    kept.set(path, promise);
  }
  return promise as Promise<T>;
}

export const get = (path: string): Request => ({ method: "GET", path });
export const post = (path: string, body: unknown): Request => ({ method: "POST", path, body });

function messageOf(said: unknown): string | undefined {
  if (typeof said !== "object" || said === null) return undefined;
  const { message, detail, error } = said as Record<string, unknown>;
  for (const part of [message, detail, error]) {
    if (typeof part === "string") return part;
    if (typeof part === "object" && part !== null && "message" in part) return String(part.message);
  }
  return undefined;
}

/** The request as a shell command. */
export function asCurl({ method, path, body }: Request): string {
  const url = quoted(`${location.origin}${BASE}${path}`);
  if (method === "GET") return `curl -s ${url}`;
  return `curl -s ${url} \\\n  -H 'content-type: application/json' \\\n  -d ${quoted(JSON.stringify(body))}`;
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** A value as Python writes it. */
export function asPython(value: unknown): string {
  if (value === null || value === undefined) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (typeof value === "string") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(asPython).join(", ")}]`;
  if (typeof value === "object") {
    const entries = Object.entries(value).map(([key, one]) => `${asPython(key)}: ${asPython(one)}`);
    return `{${entries.join(", ")}}`;
  }
  return String(value);
}
