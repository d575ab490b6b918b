import type * as api from "../../api";
import { leading } from "../../charts/categories";
import * as format from "../../parts/format";

export interface Glance {
  what: string;
  values: (number | null)[];
  mark: number | null;
  newest: string;
}

/** The one line that tells most about a summary of this type. */
export function glanceOf({ samples, reference }: api.Samples): Glance {
  const newest = samples.at(-1)!;
  if (newest.service) {
    return {
      what: "requests/s",
      values: samples.map((each) => each.service?.requests_per_second ?? null),
      mark: null,
      newest: format.number(newest.service.requests_per_second, 3),
    };
  }
  if (samples.some((each) => each.feature?.quantiles["0.5"] !== undefined)) {
    return {
      what: "median",
      values: samples.map((each) => each.feature?.quantiles["0.5"] ?? null),
      mark: reference?.feature?.quantiles["0.5"] ?? null,
      newest: format.number(newest.feature?.quantiles["0.5"]),
    };
  }
  const [value = ""] = leading(samples.map((each) => each.feature?.top ?? []), 1);
  const shareIn = (feature: api.Feature | null | undefined): number | null =>
    feature ? (feature.top.find((each) => each.value === value)?.ratio ?? 0) : null;
  return {
    what: `share of ${value || "(empty)"}`,
    values: samples.map((each) => shareIn(each.feature)),
    mark: reference?.feature ? shareIn(reference.feature) : null,
    newest: format.percent(shareIn(newest.feature)),
  };
}
