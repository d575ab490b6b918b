/** Performance: predictions judged by their ground truth, with intervals. */

import type { Performance } from "../../api";
import * as format from "../../parts/format";
import { type Chart, contentKind } from "../content";
import { namesOf, shown, wordsOf } from "./metrics";
import { PerformanceFigures } from "./PerformanceFigures";

type Contents = readonly (Performance | null)[];

export const performance = contentKind({
  of: (sample) => sample.performance,
  figures: (content) => <PerformanceFigures content={content} />,
  charts: (contents) => [
    ...namesOf(contents).map((name) => metricChart(contents, name)),
    {
      title: "Judged predictions per window",
      lines: [
        { name: "judged", values: contents.map((each) => each?.count ?? null), tone: "flow" },
        {
          name: "without ground truth",
          values: contents.map((each) => each?.without_truth ?? null),
          tone: "line-2",
          dash: [8, 3],
        },
      ],
      statistics: ["count"],
      show: (value) => format.number(value),
      height: 120,
      fromZero: true,
    },
  ],
  glance: (contents) => {
    const name = namesOf(contents)[0];
    if (name === undefined) {
      const counts = contents.map((each) => each?.count ?? null);
      return { what: "judged", values: counts, mark: null, newest: format.number(counts.at(-1)) };
    }
    const values = contents.map((each) => each?.metrics[name]?.value ?? null);
    return { what: wordsOf(name), values, mark: null, newest: shown(name, values.at(-1)) };
  },
});

function metricChart(contents: Contents, name: string): Chart {
  const end = (of: "low" | "value" | "high") =>
    contents.map((each) => each?.metrics[name]?.[of] ?? null);
  return {
    title: `${wordsOf(name)}, with its 95 % interval`,
    lines: [
      { name: "high", values: end("high"), tone: "flow", bound: true },
      { name: wordsOf(name), values: end("value"), tone: "flow" },
      { name: "low", values: end("low"), tone: "flow", bound: true },
    ],
    band: [0, 2],
    statistics: [name],
    show: (value) => shown(name, value),
    height: 180,
  };
}
