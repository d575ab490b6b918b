/** Which windows have enough labels, and the lines of a chart that shows it. */

import type { MaturityWindow, Metric, Performance, Sample, Summary } from "../../api";
import type { Line } from "../../charts/timeline";

export const LEAST_SHARE = 0.5; // smallest share of labelled predictions of a mature window
const LEAST_LABELS = 30;

/** The performance in each window; null where it has none. */
export const performanceIn = (samples: readonly Sample[]): (Performance | null)[] =>
  samples.map((each) => each.performance ?? null);

/** The output whose windows count the predictions, and the one with their scores. */
export function outputsOf(summaries: readonly Summary[]): { output?: Summary | undefined; scores?: Summary | undefined } {
  const outputs = summaries.filter(({ role }) => role === "output");
  const hasScores = ({ name }: Summary): boolean => name.endsWith(".scores");
  return { output: outputs.find((each) => !hasScores(each)) ?? outputs[0], scores: outputs.find(hasScores) };
}

/** The number of predictions in each window of an output, by the start of the window. */
export const predictionsIn = (samples: readonly Sample[]): ReadonlyMap<number, number> =>
  new Map(
    samples.map(({ window_start, feature, scores }) => [
      window_start,
      feature ? feature.count + feature.missing : (scores?.count ?? 0),
    ]),
  );

export interface LabelledWindow {
  labelled: number;
  predicted: number; // predictions of the window, labelled or not
  share: number | null;
  mature: boolean;
}

/**
 * The labelled predictions of each window; *predictions* counts the outputs by start of window.
 *
 * The collector tells in *told* which windows are mature, if it joins their labels. A longer window is
 * mature if all windows in it are. Logged performance has only counts.
 */
export function labelledOf(
  samples: readonly Sample[],
  predictions: ReadonlyMap<number, number>,
  told: readonly MaturityWindow[] | null = null,
): LabelledWindow[] {
  return samples.map(({ window_start, window_end, performance }) => {
    const labelled = performance?.count ?? 0;
    const predicted = Math.max(labelled + (performance?.without_truth ?? 0), predictions.get(window_start) ?? 0);
    const share = predicted ? labelled / predicted : null;
    const inside = told?.filter(({ start, end }) => start < window_end && end > window_start);
    const mature = inside
      ? inside.length > 0 && inside.every((each) => each.mature)
      : share !== null && share >= LEAST_SHARE && labelled >= LEAST_LABELS;
    return { labelled, predicted, share, mature };
  });
}

/** The value with its interval; windows that are not mature are on a hollow line of their own. */
export function metricLines(
  name: string,
  metrics: readonly (Metric | undefined)[],
  windows: readonly LabelledWindow[],
): Line[] {
  const of = (end: "low" | "value" | "high") => metrics.map((each) => each?.[end] ?? null);
  const values = of("value");
  const mature = (i: number): boolean => windows[i]?.mature ?? false;
  // The dashed line begins and ends at a mature neighbour.
  const touches = (i: number): boolean => [i - 1, i + 1].some((at) => windows[at]?.mature === false);
  return [
    { name: "high", values: of("high"), tone: "flow", bound: true },
    { name, values: values.map((each, i) => (mature(i) ? each : null)), tone: "flow" },
    { name: "low", values: of("low"), tone: "flow", bound: true },
    {
      name: "few labels yet",
      values: values.map((each, i) => (!mature(i) || touches(i) ? each : null)),
      tone: "flow",
      dash: [2, 4],
      hollow: values.map((_, i) => !mature(i)),
    },
  ];
}
