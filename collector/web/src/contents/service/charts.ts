import type { Service } from "../../api";
import * as format from "../../parts/format";
import type { Chart } from "../content";

/** Charts of the service: its load, its errors and its latency. */
export function serviceCharts(services: readonly (Service | null)[]): Chart[] {
  const latency = (q: string) => services.map((each) => each?.latency_quantiles_seconds[q] ?? null);
  return [
    {
      title: "Requests per second",
      lines: [
        {
          name: "requests/s",
          values: services.map((each) => each?.requests_per_second ?? null),
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
        { name: "error ratio", values: services.map((each) => each?.error_ratio ?? null), tone: "flow" },
      ],
      statistics: ["error_ratio"],
      show: format.percent,
      height: 150,
      fromZero: true,
    },
    {
      title: "Latency",
      lines: [
        { name: "p99", values: latency("0.99"), tone: "line-2", dash: [2, 2] },
        { name: "p90", values: latency("0.9"), tone: "line-4", dash: [8, 3] },
        { name: "median", values: latency("0.5"), tone: "flow" },
      ],
      statistics: ["latency_p50_seconds", "latency_p90_seconds", "latency_p99_seconds"],
      show: format.latency,
      height: 220,
      fromZero: true,
    },
  ];
}
