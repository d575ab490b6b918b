/** Charts of a feature: its distance from the reference, its values, and its missing values. */

import type { Feature, Reference, Samples } from "../../api";
import type { Line, Mark } from "../../charts/timeline";
import * as format from "../../parts/format";
import type { Chart } from "../content";
import { sharesChart } from "../shares";

const REFERENCE_DASH = [2, 3];

type Features = readonly (Feature | null)[];

export function featureCharts(features: Features, { samples, reference }: Samples): Chart[] {
  const distance = (title: string, which: "psi" | "ks"): Chart | null =>
    distanceChart(
      title,
      which,
      samples.map((each) => each[which]),
      samples.map((each) => each.distances?.[which]?.noise ?? null),
      samples.map((each) => each.distances?.[which]?.rebinned ?? false),
    );
  const charts = [
    distance("Population stability index, nats", "psi"),
    quantilesChart(features, reference),
    distance("Kolmogorov-Smirnov distance", "ks"),
    sharesChart("Share of the most frequent values", features.map((each) => each?.top ?? [])),
    missingChart(features),
    countChart(features),
  ];
  return charts.filter((each) => each !== null);
}

function distanceChart(
  title: string,
  which: "psi" | "ks",
  values: readonly (number | null)[],
  noise: readonly (number | null)[],
  rebinned: readonly boolean[],
): Chart | null {
  if (values.every((each) => each === null)) return null;
  const lines: Line[] = [{ name: which.toUpperCase(), values, tone: "flow" }];
  if (noise.some(Boolean)) {
    lines.push({ name: "without drift", values: noise, tone: "line-2", dash: [8, 3] });
  }
  if (rebinned.some(Boolean)) {
    const marked = values.map((each, i) => (rebinned[i] ? each : null));
    lines.push({ name: "estimated, re-binned", values: marked, tone: "flow", hollow: rebinned });
  }
  return {
    title,
    lines,
    statistics: [which],
    show: format.distance,
    height: 150,
    fromZero: true,
  };
}

function quantilesChart(features: Features, reference: Reference | null): Chart | null {
  const of = (q: string) => features.map((each) => each?.quantiles[q] ?? null);
  if (of("0.5").every((each) => each === null)) return null;
  const marks = (["0.5", "0.95", "0.05"] as const).flatMap((q): Mark[] => {
    const value = reference?.feature?.quantiles[q];
    if (value === undefined) return [];
    const name = `${reference!.name} ${q === "0.5" ? "median" : `p${q.slice(2)}`}`;
    return [{ value, name, tone: "ink", dash: REFERENCE_DASH }];
  });
  return {
    title: "Median, p05 to p95",
    lines: [
      { name: "p95", values: of("0.95"), tone: "flow", bound: true },
      { name: "median", values: of("0.5"), tone: "flow" },
      { name: "p05", values: of("0.05"), tone: "flow", bound: true },
    ],
    band: [0, 2],
    marks,
    statistics: ["p50", "p05", "p95", "mean", "min", "max", "p01", "p99"],
    show: (value) => format.number(value),
    height: 220,
  };
}

const missingChart = (features: Features): Chart => ({
  title: "Missing",
  lines: [
    { name: "missing", values: features.map((each) => each?.missing_ratio ?? null), tone: "flow" },
  ],
  statistics: ["missing_ratio"],
  show: format.percent,
  height: 120,
  fromZero: true,
});

const countChart = (features: Features): Chart => ({
  title: "Values per window",
  lines: [{ name: "values", values: features.map((each) => each?.count ?? null), tone: "flow" }],
  statistics: ["count"],
  show: (value) => format.number(value),
  height: 120,
  fromZero: true,
});
