/**
 * Shares, densities and edges of histograms. No DOM.
 *
 * A histogram is *k* counts between *k + 1* ascending edges; an outer edge may be infinite (null).
 */

import type { Histogram } from "../api";

/** Shares of the total; zeros if the total is zero. */
export function shares(counts: readonly number[]): number[] {
  const total = counts.reduce((sum, each) => sum + each, 0);
  return counts.map((each) => (total > 0 ? each / total : 0));
}

/** Whether both histograms have the same edges. */
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
 * The histogram on other edges; values are assumed to be uniform inside each bin.
 *
 * Weight outside the new edges goes to the outer bins, so the total stays the same. Weight of a bin
 * with an infinite edge goes to the bin that contains its finite edge.
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
      // A value equal to an edge belongs to the bin on its right; the open bin below is on its left.
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
