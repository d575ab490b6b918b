/** The numbers of an unknown kind of content, over windows. */

import * as format from "../../parts/format";
import type { Chart } from "../content";
import { LINE_LOOKS } from "../lines";
import { figuresOf, unitOf } from "./figures";

const MOST_CHARTS = 12;

export interface Numbers {
  path: readonly string[];
  values: (number | null)[]; // one for each window
}

/** All numbers that occur in any window, in the order of the fields. */
export function numbersOf(contents: readonly (object | null)[]): Numbers[] {
  const found = new Map<string, Numbers>();
  contents.forEach((content, i) => {
    for (const { path, value } of content ? figuresOf(content) : []) {
      if (typeof value !== "number") continue;
      const key = JSON.stringify(path);
      const numbers = found.get(key) ?? { path, values: contents.map(() => null) };
      numbers.values[i] = value;
      found.set(key, numbers);
    }
  });
  return [...found.values()];
}

/** A chart for each number of the content itself, and one for each object of numbers. */
export function numberCharts(contents: readonly (object | null)[]): Chart[] {
  const groups = new Map<string, Numbers[]>();
  for (const numbers of numbersOf(contents)) {
    const key = JSON.stringify(chartOf(numbers));
    groups.set(key, [...(groups.get(key) ?? []), numbers]);
  }
  return [...groups.values()].slice(0, MOST_CHARTS).map((group) => ({
    title: wordsOf(chartOf(group[0]!)),
    lines: group.slice(0, LINE_LOOKS.length).map(({ path, values }, i) => ({
      name: format.named(path.at(-1)!),
      values,
      ...LINE_LOOKS[i]!,
    })),
    statistics: group.map(({ path }) => path.at(-1)!),
    show: (value) => (value == null ? format.NOTHING : format.measured(unitOf(group[0]!.path), value)),
    fromZero: true,
  }));
}

/** The path of the chart that a number belongs to. */
const chartOf = ({ path }: Numbers): readonly string[] => (path.length > 1 ? path.slice(0, -1) : path);

/** A path as text. */
export const wordsOf = (path: readonly string[]): string => path.map(format.named).join(", ");
