/**
 * Pure mathematics of what the charts draw. No DOM.
 *
 * A histogram is *k* counts between *k + 1* ascending edges; an outer edge may be infinite (null).
 */

import type { Category, Histogram } from "./api";

/** Shares of the total; zeros where there is nothing. */
export function shares(counts: readonly number[]): number[] {
  const total = counts.reduce((sum, each) => sum + each, 0);
  return counts.map((each) => (total > 0 ? each / total : 0));
}

/** Whether both were counted on the same edges. */
export function sameEdges(a: Histogram, b: Histogram): boolean {
  return a.edges.length === b.edges.length && a.edges.every((edge, i) => edge === b.edges[i]);
}

/** Share per unit of the feature in each bin; null for a bin without a finite width. */
export function densities(histogram: Histogram): (number | null)[] {
  const { edges } = histogram;
  return shares(histogram.counts).map((share, i) => {
    const [low, high] = [edges[i], edges[i + 1]];
    return low == null || high == null || high <= low ? null : share / (high - low);
  });
}

/**
 * The histogram on other edges, every bin taken as uniform inside.
 *
 * Weight outside the new edges goes to the outer bins, so that the total is kept. Weight of a bin
 * with an infinite edge goes to the bin that holds its finite edge.
 */
export function rebin(histogram: Histogram, edges: readonly (number | null)[]): Histogram {
  const bins = edges.length - 1;
  const counts = new Array<number>(Math.max(0, bins)).fill(0);
  const inner = edges.slice(1, -1) as number[]; // only the outer edges may be infinite
  const binOf = (value: number): number => {
    let bin = 0;
    while (bin < inner.length && value >= inner[bin]!) bin += 1;
    return bin;
  };
  histogram.counts.forEach((count, i) => {
    if (count === 0) return;
    const low = histogram.edges[i] ?? null;
    const high = histogram.edges[i + 1] ?? null;
    if (low === null || high === null || high <= low) {
      // A value equal to an edge belongs to the right of it; the open bin below lies to the left.
      const at = low === null && high !== null ? binOf(high - Math.abs(high) * 1e-12) : binOf(low ?? 0);
      counts[at]! += count;
      return;
    }
    for (let bin = 0; bin < bins; bin += 1) {
      const from = bin === 0 ? -Infinity : inner[bin - 1]!;
      const to = bin === bins - 1 ? Infinity : inner[bin]!;
      const overlap = Math.min(high, to) - Math.max(low, from);
      if (overlap > 0) counts[bin]! += (count * overlap) / (high - low);
    }
  });
  return { edges: [...edges], counts };
}

export interface Pair {
  value: string;
  current: number | null;
  reference: number | null;
}

/**
 * Shares of categories side by side, largest first by the greater of the two.
 *
 * What lies outside both lists is one last row: the lists hold at most 20 values each, so a value
 * that only one side lists may be rare, not absent, on the other.
 */
export function pairs(
  current: readonly Category[],
  reference: readonly Category[] | null,
  limit = 12,
): Pair[] {
  const rows = new Map<string, Pair>();
  for (const { value, ratio } of current) rows.set(value, { value, current: ratio, reference: null });
  for (const { value, ratio } of reference ?? []) {
    const row = rows.get(value);
    if (row) row.reference = ratio;
    else rows.set(value, { value, current: null, reference: ratio });
  }
  const greater = (row: Pair): number => Math.max(row.current ?? 0, row.reference ?? 0);
  return [...rows.values()].sort((a, b) => greater(b) - greater(a)).slice(0, limit);
}

/** The categories with the largest total over all windows, largest first. */
export function leading(windows: readonly (readonly Category[])[], limit = 5): string[] {
  const totals = new Map<string, number>();
  for (const top of windows) {
    for (const { value, ratio } of top) totals.set(value, (totals.get(value) ?? 0) + ratio);
  }
  return [...totals].sort((a, b) => b[1] - a[1]).slice(0, limit).map(([value]) => value);
}

/** Round numbers that divide [low, high] into about *wanted* parts. */
export function ticks(low: number, high: number, wanted = 5): number[] {
  if (!(high > low)) return [low];
  const raw = (high - low) / wanted;
  const power = 10 ** Math.floor(Math.log10(raw));
  const factor = [1, 2, 2.5, 5, 10].find((each) => each * power >= raw * 0.999) ?? 10;
  const step = factor * power;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

const STEPS = [60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86400]; // seconds

/**
 * The length that windows should be merged to, so that at most *points* of them span *span*.
 *
 * Undefined where they are long enough as they are. All in seconds.
 */
export function step(span: number, windowLength: number, points: number): number | undefined {
  const wanted = span / points;
  if (wanted <= windowLength) return undefined;
  const fits = (each: number): boolean => each >= wanted && each % windowLength === 0;
  const nice = STEPS.find(fits);
  if (nice !== undefined) return nice;
  const base = Math.max(windowLength, wanted > 86400 && 86400 % windowLength === 0 ? 86400 : windowLength);
  return Math.ceil(wanted / base) * base;
}

/** Whether a glob of an alerter ("input.*") covers a summary. */
export function covers(glob: string, name: string): boolean {
  const pattern = glob
    .replace(/[.+^${}()|\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${pattern}$`).test(name);
}
