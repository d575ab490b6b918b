/**
 * The HTTP API of the collector, typed after `nilometer_collector.views`.
 *
 * Times are Unix seconds in UTC, windows are half-open, ratios are 0 to 1.
 */

export type Health = "OK" | "ALERTING" | "NO_DATA" | "LEARNING" | "PAUSED";
export type DataType = "number" | "category" | "mixed" | "empty" | "service";
export type Role = "input" | "output" | "ground_truth" | "service";

export interface Entity {
  name: string;
  health: Health;
  summaries: number;
  observations: number;
  first_seen: number | null;
  last_seen: number | null;
  open_episodes: number;
  references: string[];
}

export interface Summary {
  entity: string;
  name: string;
  data_type: DataType;
  role: Role;
  health: Health;
  observations: number;
  last_seen: number | null;
  labels: Record<string, string[]>;
}

export interface Coverage {
  seen: number;
  profiled: number;
  sampled_out: number;
  dropped: Record<string, number>;
  undecodable: Record<string, number>;
}

export interface Category {
  value: string;
  count: number;
  ratio: number;
}

/** Edges that are infinite arrive as null. */
export interface Histogram {
  edges: (number | null)[];
  counts: number[];
}

export interface Feature {
  count: number;
  missing: number;
  missing_ratio: number | null;
  non_finite: number;
  types: Record<string, number>;
  mean: number | null;
  standard_deviation: number | null;
  minimum: number | null;
  maximum: number | null;
  quantiles: Record<string, number>;
  histogram: Histogram | null;
  distinct: number | null;
  top: Category[];
}

export interface Service {
  requests: number;
  requests_per_second: number;
  error_ratio: number | null;
  outcomes: Record<string, number>;
  statuses: Record<string, number>;
  latency_quantiles_seconds: Record<string, number>;
  latency_mean_seconds: number | null;
}

export interface Scores {
  count: number;
  mean: number | null;
  predicted: Record<string, number>;
  outside: number;
  not_a_number: number;
}

export interface Sample {
  window_start: number;
  window_end: number;
  coverage: Coverage;
  feature: Feature | null;
  service: Service | null;
  scores?: Scores | null;
  psi: number | null;
  ks: number | null;
}

export interface Reference {
  entity: string;
  name: string;
  digest: string;
  rows: number;
  source: string;
  created: number;
  feature: Feature | null;
}

export interface Samples {
  entity: string;
  summary: string;
  samples: Sample[];
  reference: Reference | null;
}

export interface Transition {
  at: number;
  status: Health;
  value: number;
  evidence: string;
}

export interface Episode {
  id: number;
  entity: string;
  summary: string;
  labels: Record<string, string>;
  alerter: string;
  comparator: string;
  threshold: number;
  severity: string;
  breached_since: number;
  opened: number;
  closed: number | null;
  value: number;
  reference: string;
  reference_digest: string;
  evidence: string;
  history: Transition[];
}

export interface Alerter {
  entity: string;
  name: string;
  summary: string;
  kind: "FIXED" | "RANGE" | "REFERENCE";
  statistic: string;
  comparison: string;
  threshold: number;
  low: number;
  high: number;
  reference: string;
  comparator: string;
  minimum_count: number;
  windows_to_open: number;
  windows_to_close: number;
  severity: string;
}

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
    const problem = (await response.json()) as { title?: string; detail?: string };
    title = problem.title ?? title;
    detail = problem.detail ?? detail;
  } catch {
    // A proxy's own error page: the status says what there is to say.
  }
  throw new ApiProblem(response.status, title, detail);
}

export const entities = async (signal?: AbortSignal): Promise<Entity[]> =>
  (await get<{ entities: Entity[] }>("entities", {}, signal)).entities;

export const summaries = async (entity: string, signal?: AbortSignal): Promise<Summary[]> =>
  (await get<{ summaries: Summary[] }>("summaries", { entity }, signal)).summaries;

export const samples = (question: SamplesQuestion, signal?: AbortSignal): Promise<Samples> => {
  const { labels, ...rest } = question;
  return get<Samples>("samples", { ...rest, label: labels }, signal);
};

export const references = async (entity: string, signal?: AbortSignal): Promise<Reference[]> =>
  (await get<{ references: Reference[] }>("references", { entity }, signal)).references;

export const alerters = async (entity: string, signal?: AbortSignal): Promise<Alerter[]> =>
  (await get<{ alerters: Alerter[] }>("alerters", { entity }, signal)).alerters;

export const episodes = async (entity?: string, signal?: AbortSignal): Promise<Episode[]> =>
  (await get<{ episodes: Episode[] }>("episodes", { entity }, signal)).episodes;
