import { describe, expect, test } from "vitest";
import { densities, rebin, sameEdges, shares } from "./histogram";

const total = (counts: readonly number[]): number => counts.reduce((sum, each) => sum + each, 0);

describe("shares and densities", () => {
  test("shares sum to one, and to nothing without counts", () => {
    expect(shares([1, 3])).toEqual([0.25, 0.75]);
    expect(shares([0, 0])).toEqual([0, 0]);
  });

  test("a wider bin of equal share is less dense", () => {
    expect(densities({ edges: [0, 1, 3], counts: [5, 5] })).toEqual([0.5, 0.25]);
  });

  test("an open or empty bin has no density", () => {
    expect(densities({ edges: [null, 0, 0, 1], counts: [1, 1, 2] })).toEqual([null, null, 0.5]);
  });
});

describe("rebin", () => {
  test("the same edges change nothing", () => {
    const histogram = { edges: [0, 1, 2, 5], counts: [4, 0, 6] };
    expect(rebin(histogram, histogram.edges)).toEqual(histogram);
    expect(sameEdges(histogram, rebin(histogram, histogram.edges))).toBe(true);
  });

  test("a split bin is shared by width", () => {
    expect(rebin({ edges: [0, 4], counts: [8] }, [0, 1, 4]).counts).toEqual([2, 6]);
  });

  test.each([
    [[-3, 0, 9], [0, 2, 4]],
    [[null, 1, 2, null], [null, 1.5, 3, null]],
    [[5, 5, 6], [0, 5, 7]],
  ])("no weight is lost from %j to %j", (from, to) => {
    const counts = from.slice(1).map((_, i) => i + 1);
    const rebinned = rebin({ edges: from, counts }, to);
    expect(total(rebinned.counts)).toBeCloseTo(total(counts), 12);
    expect(rebinned.counts).toHaveLength(to.length - 1);
  });

  test("an open bin below an edge stays below it", () => {
    expect(rebin({ edges: [null, 1, null], counts: [3, 4] }, [null, 1, null]).counts).toEqual([3, 4]);
  });
});
