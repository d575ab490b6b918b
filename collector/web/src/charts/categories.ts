/** The most frequent values of a feature, side by side and over windows. */

import type { Category } from "../api";

export interface Pair {
  value: string;
  current: number | null;
  reference: number | null;
}

/**
 * Shares of categories side by side, largest first by the greater of the two; at most *limit*.
 *
 * A share is null if a side does not list the value. A side lists at most 20 values, so a value that
 * is not listed may be rare there.
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

/** Counts as categories, each with its share of *total*. */
export function listed(
  counts: Record<string, number>,
  total = Object.values(counts).reduce((sum, each) => sum + each, 0),
): Category[] {
  return Object.entries(counts).map(([value, count]) => ({
    value,
    count,
    ratio: count / Math.max(1, total),
  }));
}

/** The categories with the largest total over all windows, largest first. */
export function leading(windows: readonly (readonly Category[])[], limit = 5): string[] {
  const totals = new Map<string, number>();
  for (const top of windows) {
    for (const { value, ratio } of top) totals.set(value, (totals.get(value) ?? 0) + ratio);
  }
  return [...totals].sort((a, b) => b[1] - a[1]).slice(0, limit).map(([value]) => value);
}
