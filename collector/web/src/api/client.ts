/**
 * Asks the HTTP API of the collector.
 *
 * Times are Unix seconds in UTC, windows are half-open, ratios are 0 to 1.
 */

import type {
  Alerter,
  Alerters,
  Entities,
  Entity,
  Episode,
  Episodes,
  Problem,
  Reference,
  References,
  Samples,
  Summaries,
  Summary,
} from "./types";

/** What the collector, or the way to it, said instead of an answer. Status 0: it was not reached. */
export class ApiProblem extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
  ) {
    super(detail ? `${title}: ${detail}` : title);
  }
}

export interface SamplesQuestion {
  entity: string;
  summary: string;
  start?: number | undefined;
  end?: number | undefined;
  step?: number | undefined;
  reference?: string | undefined;
  labels?: readonly string[] | undefined; // "key:value"
}

type Parameters = Record<string, string | number | readonly string[] | undefined>;

/** The address of a request, relative to the page so that a path prefix is kept. */
export function address(path: string, parameters: Parameters = {}): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(parameters)) {
    if (value === undefined || value === "") continue;
    for (const each of Array.isArray(value) ? value : [value]) query.append(key, String(each));
  }
  const text = query.toString();
  return `api/v1/${path}${text ? `?${text}` : ""}`;
}

async function get<T>(path: string, parameters: Parameters, signal?: AbortSignal): Promise<T> {
  let response: Response;
  try {
    response = await fetch(address(path, parameters), {
      headers: { accept: "application/json" },
      ...(signal ? { signal } : {}),
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiProblem(0, "The collector does not answer", "It will be asked again.");
  }
  if (response.ok) {
    try {
      return (await response.json()) as T;
    } catch {
      throw new ApiProblem(response.status, "The answer is not JSON", `from ${path}`);
    }
  }
  let title = `The collector answered ${response.status}`;
  let detail = response.statusText;
  try {
    const problem = (await response.json()) as Partial<Problem>;
    title = problem.title ?? title;
    detail = problem.detail ?? detail;
  } catch {
    // A proxy's own error page: the status says what there is to say.
  }
  throw new ApiProblem(response.status, title, detail);
}

export const entities = async (signal?: AbortSignal): Promise<Entity[]> =>
  (await get<Entities>("entities", {}, signal)).entities;

export const summaries = async (entity: string, signal?: AbortSignal): Promise<Summary[]> =>
  (await get<Summaries>("summaries", { entity }, signal)).summaries;

export const samples = (question: SamplesQuestion, signal?: AbortSignal): Promise<Samples> => {
  const { labels, ...rest } = question;
  return get<Samples>("samples", { ...rest, label: labels }, signal);
};

export const references = async (entity: string, signal?: AbortSignal): Promise<Reference[]> =>
  (await get<References>("references", { entity }, signal)).references;

export const alerters = async (entity: string, signal?: AbortSignal): Promise<Alerter[]> =>
  (await get<Alerters>("alerters", { entity }, signal)).alerters;

export const episodes = async (entity?: string, signal?: AbortSignal): Promise<Episode[]> =>
  (await get<Episodes>("episodes", { entity }, signal)).episodes;
