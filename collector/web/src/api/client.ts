/**
 * Asks the HTTP API of the collector.
 *
 * Times are Unix seconds in UTC, windows are half-open, ratios are 0 to 1.
 */

import type {
  Alerter,
  Entity,
  Episode,
  Problem,
  Reads,
  Samples,
  StoredLevel,
  Summary,
  Watch,
} from "./types";

/** An error response of the collector or of a proxy; with status 0, the collector was not reached. */
export class ApiProblem extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
  ) {
    super(detail ? `${title}: ${detail}` : title);
  }
}

type Path = keyof Reads;
export type Query<P extends Path> = Reads[P]["query"];
export type SamplesQuestion = Query<"/api/v1/samples">;

/** The URL of a request, relative to the page, so that a path prefix is kept. */
export function address<P extends Path>(path: P, query: Query<P>): string {
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value === undefined || value === "") continue;
    for (const each of Array.isArray(value) ? value : [value]) parameters.append(key, String(each));
  }
  const text = parameters.toString();
  return `${path.slice(1)}${text ? `?${text}` : ""}`;
}

async function get<P extends Path>(
  path: P,
  query: Query<P>,
  signal?: AbortSignal,
): Promise<Reads[P]["answer"]> {
  let response: Response;
  try {
    response = await fetch(address(path, query), {
      headers: { accept: "application/json" },
      ...(signal ? { signal } : {}),
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiProblem(0, "The collector does not respond", "The page tries again every ten seconds.");
  }
  if (response.ok) {
    try {
      return (await response.json()) as Reads[P]["answer"];
    } catch {
      throw new ApiProblem(response.status, "The response is not JSON", `Path: ${path}`);
    }
  }
  let title = `The collector responded with status ${response.status}`;
  let detail = response.statusText;
  try {
    const problem = (await response.json()) as Partial<Problem>;
    title = problem.title ?? title;
    detail = problem.detail ?? detail;
  } catch {
    // A proxy's error page is not JSON; the status is enough.
  }
  throw new ApiProblem(response.status, title, detail);
}

export const entities = async (signal?: AbortSignal): Promise<Entity[]> =>
  (await get("/api/v1/entities", {}, signal)).entities;

export const summaries = async (entity: string, signal?: AbortSignal): Promise<Summary[]> =>
  (await get("/api/v1/summaries", { entity }, signal)).summaries;

export const samples = (question: SamplesQuestion, signal?: AbortSignal): Promise<Samples> =>
  get("/api/v1/samples", question, signal);

export const alerters = async (entity: string, signal?: AbortSignal): Promise<Alerter[]> =>
  (await get("/api/v1/alerters", { entity }, signal)).alerters;

export const watches = async (entity?: string, signal?: AbortSignal): Promise<Watch[]> =>
  (await get("/api/v1/watch", { entity }, signal)).entities;

export const episodes = async (entity?: string, signal?: AbortSignal): Promise<Episode[]> =>
  (await get("/api/v1/episodes", { entity }, signal)).episodes;

export const storage = async (signal?: AbortSignal): Promise<StoredLevel[]> =>
  (await get("/api/v1/storage", {}, signal)).levels;
