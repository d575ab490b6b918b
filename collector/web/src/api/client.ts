/**
 * Asks the HTTP API of the collector.
 *
 * Times are Unix seconds in UTC, windows are half-open, ratios are 0 to 1.
 */

import type {
  Alerter,
  AlerterStatus,
  Audit,
  Causes,
  Decision,
  DeclaredEntity,
  DeclaredObject,
  Difference,
  Entity,
  Episode,
  ExpectedPerformance,
  Maturity,
  Pipeline,
  Problem,
  Reads,
  Reference,
  ReferenceComparison,
  ReferenceVersion,
  Revision,
  Run,
  Samples,
  StoredLevel,
  Summary,
  TruthStatus,
  Watch,
  WindowsReference,
} from "./types";

const MOST_SUMMARIES = 64; // values of one parameter

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
  const headers = { accept: "application/json" };
  return (await ask(address(path, query), { headers, ...(signal ? { signal } : {}) })) as Reads[P]["answer"];
}

let ahead = 0; // clock of the collector minus the clock of the browser, seconds

/** The collector's time, Unix seconds; the browser's until the first response. */
export const now = (): number => Date.now() / 1000 + ahead;

/** Send a request and return the JSON of a successful response. */
async function ask(url: string, request: RequestInit): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(url, request);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiProblem(0, "The collector does not respond", "The page tries again every ten seconds.");
  }
  const at = Date.parse(response.headers.get("date") ?? "");
  if (!Number.isNaN(at)) ahead = (at - Date.now()) / 1000;
  if (response.status === 204) return null;
  if (response.ok) {
    try {
      return await response.json();
    } catch {
      throw new ApiProblem(response.status, "The response is not JSON", `Path: ${url}`);
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

const post = (url: string, body: unknown): Promise<unknown> =>
  ask(url, {
    method: "POST",
    headers: { accept: "application/json", "content-type": "application/json" },
    body: JSON.stringify(body),
  });

/** All entities, page by page. */
export async function entities(signal?: AbortSignal): Promise<Entity[]> {
  const found: Entity[] = [];
  let after: string | undefined;
  do {
    const page = await get("/api/v1/entities", { after }, signal);
    found.push(...page.entities);
    after = page.next ?? undefined;
  } while (after !== undefined);
  return found;
}

export const entity = (name: string, signal?: AbortSignal): Promise<DeclaredEntity> =>
  get("/api/v1/entity", { entity: name }, signal);

export const summaries = async (entity: string, signal?: AbortSignal): Promise<Summary[]> =>
  (await get("/api/v1/summaries", { entity }, signal)).summaries;

export const samples = (question: SamplesQuestion, signal?: AbortSignal): Promise<Samples> =>
  get("/api/v1/samples", question, signal);

export const maturity = (question: Query<"/api/v1/maturity">, signal?: AbortSignal): Promise<Maturity> =>
  get("/api/v1/maturity", question, signal);

export const groundTruth = (entity: string, signal?: AbortSignal): Promise<TruthStatus> =>
  get("/api/v1/ground-truth", { entity }, signal);

export const expectedPerformance = (
  question: Query<"/api/v1/expected-performance">,
  signal?: AbortSignal,
): Promise<ExpectedPerformance> => get("/api/v1/expected-performance", question, signal);

export const difference = (
  question: Query<"/api/v1/difference">,
  signal?: AbortSignal,
): Promise<Difference> => get("/api/v1/difference", question, signal);

/** The newest windows of the named summaries, by name, in as few requests as possible. */
export async function newest(
  question: Omit<Query<"/api/v1/newest">, "limit" | "after">,
  signal?: AbortSignal,
): Promise<Map<string, Samples>> {
  const found = new Map<string, Samples>();
  for (let start = 0; start < question.summary.length; start += MOST_SUMMARIES) {
    const summary = question.summary.slice(start, start + MOST_SUMMARIES);
    const { series } = await get("/api/v1/newest", { ...question, summary }, signal);
    for (const each of series) found.set(each.summary, each);
  }
  return found;
}

export const alerters = async (entity: string, signal?: AbortSignal): Promise<Alerter[]> =>
  (await get("/api/v1/alerters", { entity }, signal)).alerters;

export const alerterStatuses = async (entity: string, signal?: AbortSignal): Promise<AlerterStatus[]> =>
  (await get("/api/v1/alerters/statuses", { entity }, signal)).statuses;

export const watches = async (entity?: string, signal?: AbortSignal): Promise<Watch[]> =>
  (await get("/api/v1/watch", { entity }, signal)).entities;

export const episodes = async (
  entity?: string,
  signal?: AbortSignal,
  label?: string[],
): Promise<Episode[]> => (await get("/api/v1/episodes", { entity, label }, signal)).episodes;

export const causes = (entity: string, episode: number, signal?: AbortSignal): Promise<Causes> =>
  get("/api/v1/episodes/causes", { entity, episode }, signal);

/** Record a decision about an episode, with a body as the HTTP API describes it. */
export async function decide(
  kind: "acknowledge" | "silence" | "unsilence" | "new-normal",
  about: { entity: string; episode: number },
  body: Readonly<Record<string, unknown>>,
): Promise<Decision> {
  const query = new URLSearchParams({ entity: about.entity, episode: String(about.episode) });
  return (await post(`api/v1/episodes/${kind}?${query.toString()}`, body)) as Decision;
}

/** Approve or decline a run of an action that awaits approval. */
export async function judge(
  verb: "approve" | "decline",
  about: { entity: string; run: number },
  reason: string,
): Promise<Run> {
  const query = new URLSearchParams({ entity: about.entity, run: String(about.run) });
  return (await post(`api/v1/actions/${verb}?${query.toString()}`, { reason })) as Run;
}

/** Whether the collector refused because the response would be too large. */
export const tooMuch = (error: unknown): boolean =>
  error instanceof ApiProblem && error.status === 422;

/** All entities and edges, as they were a few seconds ago. */
export const pipeline = (signal?: AbortSignal): Promise<Pipeline> => get("/api/v1/pipeline", {}, signal);

export const storage = async (signal?: AbortSignal): Promise<StoredLevel[]> =>
  (await get("/api/v1/storage", {}, signal)).levels;

export const objects = async (
  entity?: string,
  signal?: AbortSignal,
): Promise<DeclaredObject[]> => (await get("/api/v1/objects", { entity }, signal)).objects;

/** The newest entries of the audit log. */
export const audit = async (signal?: AbortSignal): Promise<Audit[]> =>
  (await get("/api/v1/audit", {}, signal)).entries;

/** The newest changes of declared objects, by revision. */
export const changes = async (
  signal?: AbortSignal,
  question: Query<"/api/v1/changes"> = {},
): Promise<Revision[]> => (await get("/api/v1/changes", question, signal)).revisions;

/** All versions of the references of an entity, newest first. */
export const referenceVersions = async (entity: string, signal?: AbortSignal): Promise<Reference[]> =>
  (await get("/api/v1/references", { entity, versions: true }, signal)).references.sort(
    (one, other) => other.created - one.created,
  );

export const referenceVersion = (
  { entity, name, digest }: Reference,
  signal?: AbortSignal,
): Promise<ReferenceVersion> =>
  get("/api/v1/references/version", { entity, reference: digest, name }, signal);

export const compareReferences = (
  question: Query<"/api/v1/references/comparison">,
  signal?: AbortSignal,
): Promise<ReferenceComparison> => get("/api/v1/references/comparison", question, signal);

/** Make a stored version the current one of its name, until *expires*, an ISO 8601 time; null is never. */
export async function chooseReference(version: Reference, expires: string | null): Promise<void> {
  const { entity, name, digest } = version;
  await post("api/v1/apply", { version: 1, references: [{ entity, name, digest, expires }] });
}

/** Leave a reference without a current version. Its versions stay. */
export async function removeReference({ entity, name }: Reference, reason: string): Promise<void> {
  const query = new URLSearchParams({ kind: "reference", entity, name, reason });
  await ask(`api/v1/objects?${query.toString()}`, { method: "DELETE", headers: { accept: "application/json" } });
}

/** Freeze the windows of the last *seconds* to a version that is not current yet. */
export const freezeWindows = async (
  entity: string,
  name: string,
  seconds: number,
): Promise<WindowsReference> =>
  (await post("api/v1/references", { entity, name, seconds, current: false })) as WindowsReference;
