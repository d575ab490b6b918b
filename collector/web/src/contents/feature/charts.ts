/** Which charts tell of a summary over time. */

import type { Sample } from "../../api";
import { leading } from "../../charts/categories";
import type { Line, Mark } from "../../charts/timeline";
import * as format from "../../parts/format";
import type { Series } from "./series";

const REFERENCE_DASH = [2, 3];

const CATEGORY_LINES: readonly Pick<Line, "tone" | "dash">[] = [
  { tone: "flow" },
  { tone: "line-2", dash: [8, 3] },
  { tone: "line-3", dash: [2, 2] },
  { tone: "line-4", dash: [8, 3, 2, 3] },
  { tone: "line-5", dash: [4, 4] },
];

export interface Chart {
  title: string;
  lines: Line[];
  band?: [number, number];
  marks?: Mark[];
  statistics: string[]; // of alerters whose limits belong on this chart
  show: (value: number | null | undefined) => string;
  height?: number;
  fromZero?: boolean;
}

/** The charts of a summary, the most telling first. */
export const chartsOf = (series: Series): Chart[] =>
  series.samples.some((each) => each.service) ? ofService(series.samples) : ofFeature(series);

function ofFeature({ samples, reference }: Series): Chart[] {
  const charts: Chart[] = [];
  const of = (q: string) => samples.map((each) => each.feature?.quantiles[q] ?? null);
  const distance = (title: string, which: "psi" | "ks"): void => {
    const values = samples.map((each) => each[which]);
    if (values.every((each) => each === null)) return;
    charts.push({
      title,
      lines: [{ name: which.toUpperCase(), values, tone: "flow" }],
      statistics: [which],
      show: format.distance,
      height: 150,
      fromZero: true,
    });
  };
  distance("Population stability index, nats", "psi");
  if (of("0.5").some((each) => each !== null)) {
    const marks = (["0.5", "0.95", "0.05"] as const).flatMap((q): Mark[] => {
      const value = reference?.feature?.quantiles[q];
      if (value === undefined) return [];
      const name = `${reference!.name} ${q === "0.5" ? "median" : `p${q.slice(2)}`}`;
      return [{ value, name, tone: "ink", dash: REFERENCE_DASH }];
    });
    charts.push({
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
    });
  }
  distance("Kolmogorov-Smirnov distance", "ks");
  const tops = samples.map((each) => each.feature?.top ?? []);
  const names = leading(tops);
  if (names.length) {
    charts.push({
      title: "Share of the most frequent values",
      lines: names.map((name, i) => ({
        name: name === "" ? "(empty)" : name,
        values: tops.map((top) =>
          top.length ? (top.find((each) => each.value === name)?.ratio ?? 0) : null,
        ),
        ...CATEGORY_LINES[i]!,
      })),
      statistics: [],
      show: format.percent,
      height: 220,
      fromZero: true,
    });
  }
  charts.push({
    title: "Missing",
    lines: [
      { name: "missing", values: samples.map((each) => each.feature?.missing_ratio ?? null), tone: "flow" },
    ],
    statistics: ["missing_ratio"],
    show: format.percent,
    height: 120,
    fromZero: true,
  });
  charts.push({
    title: "Values per window",
    lines: [{ name: "values", values: samples.map((each) => each.feature?.count ?? null), tone: "flow" }],
    statistics: ["count"],
    show: (value) => format.number(value),
    height: 120,
    fromZero: true,
  });
  return charts;
}

function ofService(samples: readonly Sample[]): Chart[] {
  const of = (q: string) =>
    samples.map((each) => each.service?.latency_quantiles_seconds[q] ?? null);
  return [
    {
      title: "Requests per second",
      lines: [
        {
          name: "requests/s",
          values: samples.map((each) => each.service?.requests_per_second ?? null),
          tone: "flow",
        },
      ],
      statistics: [],
      show: (value) => format.number(value, 3),
      height: 170,
      fromZero: true,
    },
    {
      title: "Errors",
      lines: [
        { name: "error ratio", values: samples.map((each) => each.service?.error_ratio ?? null), tone: "flow" },
      ],
      statistics: ["error_ratio"],
      show: format.percent,
      height: 150,
      fromZero: true,
    },
    {
      title: "Latency",
      lines: [
        { name: "p99", values: of("0.99"), tone: "line-2", dash: [2, 2] },
        { name: "p90", values: of("0.9"), tone: "line-4", dash: [8, 3] },
        { name: "median", values: of("0.5"), tone: "flow" },
      ],
      statistics: ["latency_p50_seconds", "latency_p90_seconds", "latency_p99_seconds"],
      show: format.latency,
      height: 220,
      fromZero: true,
    },
  ];
}
