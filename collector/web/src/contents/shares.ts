/** A chart of the shares of the most frequent values. */

import type { Category } from "../api";
import { leading } from "../charts/categories";
import * as format from "../parts/format";
import type { Chart } from "./content";
import { LINE_LOOKS } from "./lines";

/** Shares over windows; null if no window lists a value. */
export function sharesChart(title: string, windows: readonly (readonly Category[])[]): Chart | null {
  const names = leading(windows, LINE_LOOKS.length);
  if (!names.length) return null;
  return {
    title,
    lines: names.map((name, i) => ({
      name: name === "" ? "(empty)" : name,
      values: windows.map((top) =>
        top.length ? (top.find((each) => each.value === name)?.ratio ?? 0) : null,
      ),
      ...LINE_LOOKS[i]!,
    })),
    statistics: [],
    show: format.percent,
    height: 220,
    fromZero: true,
  };
}
