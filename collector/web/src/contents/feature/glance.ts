import type { Feature, Samples } from "../../api";
import { leading } from "../../charts/categories";
import * as format from "../../parts/format";
import type { Glance } from "../content";

/** The overview line of a feature: the median of numbers, or the share of the most frequent value. */
export function featureGlance(
  features: readonly (Feature | null)[],
  { reference }: Samples,
): Glance {
  const newest = features.at(-1);
  if (features.some((each) => each?.quantiles["0.5"] !== undefined)) {
    return {
      what: "median",
      values: features.map((each) => each?.quantiles["0.5"] ?? null),
      mark: reference?.feature?.quantiles["0.5"] ?? null,
      newest: format.number(newest?.quantiles["0.5"]),
    };
  }
  const [value = ""] = leading(features.map((each) => each?.top ?? []), 1);
  const shareIn = (feature: Feature | null | undefined): number | null =>
    feature ? (feature.top.find((each) => each.value === value)?.ratio ?? 0) : null;
  return {
    what: `share of ${value || "(empty)"}`,
    values: features.map(shareIn),
    mark: shareIn(reference?.feature),
    newest: format.percent(shareIn(newest)),
  };
}
