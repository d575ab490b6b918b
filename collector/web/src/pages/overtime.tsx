/** Every window of the range: what moved, and when. */

import { useMemo } from "preact/hooks";
import type { Alerter, Sample } from "../api";
import { type Line, type Mark, type Shade, TimeChart, type Windows } from "../charts/time";
import * as format from "../format";
import { leading } from "../histogram";
import type { Series } from "../series";

const LIMIT_DASH = [6, 3];
const REFERENCE_DASH = [2, 3];
const TABLE_ROWS = 200;

const CATEGORY_LINES: readonly Pick<Line, "tone" | "dash">[] = [
  { tone: "flow" },
  { tone: "line-2", dash: [8, 3] },
  { tone: "line-3", dash: [2, 2] },
  { tone: "line-4", dash: [8, 3, 2, 3] },
  { tone: "line-5", dash: [4, 4] },
];

interface Properties {
  series: Series;
  alerters: readonly Alerter[];
  shades: readonly Shade[];
  selected: number;
  onSelect: (index: number) => void;
}

export function OverTime({ series, alerters, shades, selected, onSelect }: Properties) {
  const { samples, reference } = series;
  const windows = useMemo<Windows>(
    () => ({
      starts: samples.map((each) => each.window_start),
      ends: samples.map((each) => each.window_end),
    }),
    [samples],
  );
  const charts = useMemo(
    () => (samples.some((each) => each.service) ? ofService(samples) : ofFeature(series)),
    [series],
  );
  const limits = useMemo(() => limitsOf(alerters, reference?.name), [alerters, reference]);
  const rows = samples.map((sample, i) => ({ sample, i })).slice(-TABLE_ROWS).reverse();
  return (
    <section class="over-time" aria-labelledby="over-time">
      <h2 id="over-time">
        Over time
        <span class="faint sub">
          {format.count(samples.length)} windows
          {series.step ? `, merged to ${format.duration(series.step)}` : ""}
          {shades.length > 0 && (
            <>
              {" · "}
              <span class="shade-key" aria-hidden="true" /> episode
            </>
          )}
        </span>
      </h2>
      {charts.map(({ statistics, marks = [], ...chart }) => (
        <TimeChart
          key={chart.title}
          {...chart}
          marks={[...marks, ...statistics.flatMap((each) => limits.get(each) ?? [])]}
          windows={windows}
          shades={shades}
          selected={selected}
          onSelect={onSelect}
        />
      ))}
      <details>
        <summary>Windows as a table</summary>
        <div class="scroll">
          <table class="figures">
            <thead>
              <tr>
                <th scope="col">Window</th>
                {charts.flatMap(({ lines }) =>
                  lines.map((line) => <th scope="col" class="right" key={line.name}>{line.name}</th>),
                )}
              </tr>
            </thead>
            <tbody>
              {rows.map(({ sample, i }) => (
                <tr key={sample.window_start} aria-current={i === selected ? "true" : undefined}>
                  <th scope="row">
                    <button type="button" class="plain" onClick={() => onSelect(i)}>
                      {format.window(sample.window_start, sample.window_end)}
                    </button>
                  </th>
                  {charts.flatMap(({ lines, show }) =>
                    lines.map((line) => (
                      <td class="right" key={line.name}>{show(line.values[i])}</td>
                    )),
                  )}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
        {samples.length > TABLE_ROWS && <p class="faint small">The newest {TABLE_ROWS} of them.</p>}
      </details>
    </section>
  );
}

interface Chart {
  title: string;
  lines: Line[];
  band?: [number, number];
  marks?: Mark[];
  statistics: string[]; // of alerters whose limits belong on this chart
  show: (value: number | null | undefined) => string;
  height?: number;
  fromZero?: boolean;
}

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

/** The limits that alerters set, by the statistic or comparator they speak of. */
function limitsOf(alerters: readonly Alerter[], reference: string | undefined): Map<string, Mark[]> {
  const limits = new Map<string, Mark[]>();
  const add = (what: string, value: number, name: string): void => {
    const mark = { value, name: `${name} ${format.measured(what, value)}`, tone: "alarm", dash: LIMIT_DASH };
    limits.set(what, [...(limits.get(what) ?? []), mark]);
  };
  for (const alerter of alerters) {
    switch (alerter.kind) {
      case "REFERENCE":
        if (alerter.reference === reference) add(alerter.comparator, alerter.threshold, "threshold");
        break;
      case "FIXED":
        add(alerter.statistic, alerter.threshold, `${format.named(alerter.statistic)} ${alerter.comparison}`);
        break;
      case "RANGE":
        add(alerter.statistic, alerter.low, `${format.named(alerter.statistic)} <`);
        add(alerter.statistic, alerter.high, `${format.named(alerter.statistic)} >`);
        break;
    }
  }
  return limits;
}
