/** Names and numbers of metrics as a person reads them. */

import type { Performance } from "../../api";
import * as format from "../../parts/format";

const ABBREVIATIONS: Record<string, string> = {
  roc_auc: "area under the ROC curve",
  f1: "F1",
  log_loss_nats: "log-loss (nats)",
  brier: "Brier score",
  mae: "mean absolute error",
  rmse: "root mean squared error",
  mape_ratio: "mean relative error",
  r_squared: "R²",
  mrr: "mean reciprocal rank",
};

/** The metrics of all contents, in the order of the newest content that has any. */
export function namesOf(contents: readonly (Performance | null)[]): string[] {
  const names = new Set<string>();
  for (const content of [...contents].reverse()) {
    Object.keys(content?.metrics ?? {}).forEach((name) => names.add(name));
  }
  return [...names];
}

/** The name of a metric, such as "NDCG at 5". */
export const wordsOf = (name: string): string =>
  ABBREVIATIONS[name] ?? format.named(name.replace(/_ratio(_at|$)/, "$1").replace(/^ndcg/, "NDCG").replace(/^hit/, "hit rate"));

/** The value of a metric; shares are percentages. */
export const shown = (name: string, value: number | null | undefined): string =>
  /_ratio(_at|$)/.test(name) ? format.percent(value) : format.number(value);
