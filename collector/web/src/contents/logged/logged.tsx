/** What users log: numbers, texts, tables, matrices, lines and confusion matrices. */

import type { Logged } from "../../api";
import * as format from "../../parts/format";
import { contentKind } from "../content";
import { LoggedFigures } from "./LoggedFigures";

/** The number of a content that a line over time shows; null without one. */
export const numberOf = (content: Logged | null): number | null =>
  content?.value ?? content?.accuracy ?? null;

const named = (content: Logged | null | undefined): string =>
  content?.type === "confusion_matrix" ? "accuracy" : "value";

export const logged = contentKind({
  of: (sample) => sample.logged,
  figures: (content) => <LoggedFigures content={content} />,
  charts: (contents) => {
    const first = contents.find((each) => each !== null);
    const unit = first?.unit ? ` (${first.unit})` : "";
    const values = contents.map(numberOf);
    const has = values.some((value) => value !== null);
    return [
      ...(has
        ? [
            {
              title: `${first?.type === "confusion_matrix" ? "Accuracy" : "Value"}${unit}`,
              lines: [{ name: named(first), values, tone: "flow" as const }],
              statistics: ["value", "accuracy_ratio"],
              show: (value: number | null | undefined) => format.number(value),
              height: 220,
            },
          ]
        : []),
      {
        title: "Samples per window",
        lines: [{ name: "samples", values: contents.map((each) => each?.count ?? null), tone: "flow" }],
        statistics: ["count"],
        show: (value) => format.number(value),
        height: 120,
        fromZero: true,
      },
    ];
  },
  glance: (contents) => {
    const values = contents.map(numberOf);
    const newest = contents.at(-1) ?? null;
    if (newest?.text !== undefined) {
      return { what: "text", values: [], mark: null, newest: format.firstLine(newest.text) };
    }
    if (values.every((value) => value === null)) {
      const counts = contents.map((each) => each?.count ?? null);
      return { what: "samples", values: counts, mark: null, newest: format.number(counts.at(-1)) };
    }
    const unit = newest?.unit ? ` ${newest.unit}` : "";
    return { what: named(newest), values, mark: null, newest: `${format.number(values.at(-1))}${unit}` };
  },
});
