/** The position and the height of the bins of a histogram. */

import type { Histogram } from "../api";
import * as format from "../parts/format";
import { densities, shares } from "./histogram";
import { ticks } from "./ticks";

export interface Drawn {
  current: (number | null)[];
  reference: (number | null)[] | null;
  left: number[]; // of each bin, in px
  right: number[];
  labels: { at: number; text: string }[];
  note: string;
}

const edgeText = (edge: number | null | undefined, low: boolean): string =>
  edge == null ? (low ? "−∞" : "∞") : format.number(edge, 3);

/** The interval of a bin as text. */
export const interval = (edges: readonly (number | null)[], i: number): string =>
  `${edgeText(edges[i], true)} to ${edgeText(edges[i + 1], false)}`;

/** Bins of equal width, as comparators see them, so that long tails need no space. */
export function inBins(current: Histogram, reference: Histogram | null, inner: number): Drawn {
  const bins = current.counts.length;
  const at = (i: number): number => (i / bins) * inner;
  const texts = current.edges.map((edge, i) => edgeText(edge, i === 0));
  const widest = Math.max(...texts.map((text) => text.length)) * 7 + 10;
  const every = Math.max(1, Math.ceil(widest / Math.max(1, inner / bins)));
  return {
    current: shares(current.counts),
    reference: reference && shares(reference.counts),
    left: current.counts.map((_, i) => at(i)),
    right: current.counts.map((_, i) => at(i + 1)),
    labels: texts.map((text, i) => ({ at: at(i), text })).filter((_, i) => i % every === 0),
    note: "share of values in each bin; all bins have the same width",
  };
}

/** Bins on the axis of the feature: area is share. An outer bin longer than all others is cut. */
export function inUnits(current: Histogram, reference: Histogram | null, inner: number): Drawn {
  const edges = current.edges;
  const finite = edges.filter((edge): edge is number => edge !== null);
  const middle = finite.slice(1, -1);
  let [low, high] = [finite[0] ?? 0, finite.at(-1) ?? 1];
  let cut = false;
  if (middle.length > 2) {
    const body = middle.at(-1)! - middle[0]!;
    if (body > 0 && high - middle.at(-1)! > body) [high, cut] = [middle.at(-1)! + body / 3, true];
    if (body > 0 && middle[0]! - low > body) [low, cut] = [middle[0]! - body / 3, true];
  }
  const x = (edge: number): number =>
    ((Math.min(high, Math.max(low, edge)) - low) / (high - low || 1)) * inner;
  const open = edges[0] === null || edges.at(-1) === null;
  return {
    current: densities(current),
    reference: reference && densities(reference),
    left: current.counts.map((_, i) => x(edges[i] ?? low)),
    right: current.counts.map((_, i) => x(edges[i + 1] ?? high)),
    labels: ticks(low, high, Math.max(2, Math.floor(inner / 80))).map((each) => ({
      at: x(each),
      text: format.number(each, 3),
    })),
    note: `share per unit of the feature${cut ? "; a long tail is cut" : open ? "; bins without an end are left out" : ""}`,
  };
}

/** The SVG path along the tops of the reference's bins. */
export function outline(drawn: Drawn, y: (value: number) => number, bottom: number): string {
  let path = "";
  let height = bottom;
  drawn.reference!.forEach((value, i) => {
    const [left, right] = [drawn.left[i]!, drawn.right[i]!];
    if (right <= left) return;
    const next = value === null ? bottom : y(value);
    path += path === "" ? `M${left} ${next}` : next === height ? "" : `V${next}`;
    path += `H${right}`;
    height = next;
  });
  return path;
}
