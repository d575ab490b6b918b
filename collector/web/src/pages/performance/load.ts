/** Requests the performance of an entity, its predictions, and its estimate, over one time range. */

import * as api from "../../api";
import { outputsOf, performanceIn, predictionsIn } from "../../contents/performance/maturity";
import { load as loadSeries, type Series } from "../summary/series";

export interface Loaded {
  series: Series;
  predictions: ReadonlyMap<number, number>; // by start of the window
  estimate: api.ExpectedPerformance | null; // null without scores of a binary classifier
  maturity: api.Maturity | null; // null if the collector does not join the labels
  truth: api.TruthStatus | null; // the same
  learnedUntil: number; // end of the labels that the estimate was learned from, Unix seconds
}

const TYPES = ["classification", "regression", "ranking", "row_metrics"];

/** The summaries that hold performance; one that a join writes has the name "performance". */
export const performanceOf = (summaries: readonly api.Summary[]): api.Summary[] =>
  summaries.filter(({ name, logged }) => name === "performance" || TYPES.includes(logged?.data_type ?? ""));

const JOINED = "performance"; // the summary that a join writes

/** The answer; null if nobody has declared how predictions are judged. */
async function ifDeclared<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (error: unknown) {
    if (error instanceof api.ApiProblem && error.status === 409) return null;
    throw error;
  }
}

export async function load(
  entity: api.Entity,
  summaries: readonly api.Summary[],
  summary: api.Summary,
  range: string | null,
  labels: readonly string[],
  signal?: AbortSignal,
): Promise<Loaded> {
  const lastSeen = summary.last_seen ?? Date.now() / 1000;
  const question = { entity, summary, lastSeen, around: null, range, reference: undefined, labels };
  const series = await loadSeries(question, signal);
  const { samples } = series;
  const [first, last] = [samples[0], samples.at(-1)];
  if (!first || !last) return { series, predictions: new Map(), estimate: null, maturity: null, truth: null, learnedUntil: 0 };
  const step = series.step ?? summary.window;
  const span = { start: first.window_start, end: last.window_end, step, label: [...labels] };
  const { output, scores } = outputsOf(summaries);
  const learnedUntil = samples[Math.ceil(samples.length / 3)]?.window_start ?? last.window_end;
  const isJoined = summary.name === JOINED;
  const [found, maturity, truth, estimate] = await Promise.all([
    output ? api.samples({ entity: entity.name, summary: output.name, ...span }, signal) : null,
    isJoined
      ? ifDeclared(
          api.maturity({ entity: entity.name, start: span.start, end: span.end, label: [...labels] }, signal),
        )
      : null,
    isJoined ? ifDeclared(api.groundTruth(entity.name, signal)) : null,
    scores && performanceIn(samples).some((each) => each?.type === "classification")
      ? api
          .expectedPerformance(
            {
              entity: entity.name,
              summary: scores.name,
              ground_truth: summary.name,
              reference_end: learnedUntil,
              ...span,
            },
            signal,
          )
          .catch((error: unknown) => {
            if (error instanceof api.ApiProblem && error.status === 422) return null;
            throw error;
          })
      : null,
  ]);
  return { series, predictions: predictionsIn(found?.samples ?? []), estimate, maturity, truth, learnedUntil };
}
