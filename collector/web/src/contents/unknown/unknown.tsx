/** Content of a kind without an entry in the registry, shown by the names of its fields. */

import type { Coverage } from "../../api";
import * as format from "../../parts/format";
import type { Chart, ContentKind } from "../content";
import { unitOf } from "./figures";
import { numberCharts, numbersOf } from "./numbers";
import { NoFigures, UnknownFigures } from "./UnknownFigures";

export const unknownKind: ContentKind = {
  holds: (sample) => sample.extension != null,
  figures: (sample) =>
    sample.extension ? (
      <UnknownFigures extension={sample.extension} />
    ) : (
      <NoFigures coverage={sample.coverage} />
    ),
  charts: ({ samples }) => [
    ...numberCharts(samples.map((each) => each.extension?.content ?? null)),
    coverageChart(samples.map((each) => each.coverage)),
  ],
  glance: ({ samples }) => {
    const [first] = numbersOf(samples.map((each) => each.extension?.content ?? null));
    const path = first?.path ?? ["profiled"];
    const values = first?.values ?? samples.map((each) => each.coverage.profiled);
    const newest = values.at(-1) ?? null;
    return {
      what: format.named(path.at(-1)!),
      values,
      mark: null,
      newest: newest === null ? format.NOTHING : format.measured(unitOf(path), newest),
    };
  },
};

const coverageChart = (coverages: readonly Coverage[]): Chart => ({
  title: "Observations per window",
  lines: [
    { name: "profiled", values: coverages.map((each) => each.profiled), tone: "flow" },
    { name: "seen", values: coverages.map((each) => each.seen), tone: "line-2", dash: [8, 3] },
  ],
  statistics: [],
  show: (value) => format.number(value),
  height: 120,
  fromZero: true,
});
