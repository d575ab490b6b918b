import { expect, test } from "vitest";
import type { MaturityWindow, Performance, Sample } from "../../api";
import { labelledOf, metricLines } from "./maturity";

const sample = (window_start: number, count: number, without_truth = 0): Sample =>
  ({ window_start, performance: { count, without_truth } as Performance }) as Sample;

test("a window is mature with half of its labels and thirty of them", () => {
  const samples = [sample(0, 100, 20), sample(1, 20), sample(2, 40, 100), sample(3, 60)];
  const found = labelledOf(samples, new Map([[3, 200]]));
  expect(found.map((each) => each.mature)).toEqual([true, false, false, false]);
  expect(found[3]).toEqual({ labelled: 60, predicted: 200, share: 0.3, mature: false });
});

test("the collector tells which windows are mature, and a longer window needs all of its windows", () => {
  const told = [true, true, true, false].map((mature, i) => ({ start: i, end: i + 1, mature }) as MaturityWindow);
  const long = [0, 2, 4].map((start) => ({ ...sample(start, 10), window_end: start + 2 }));
  expect(labelledOf(long, new Map(), told).map((each) => each.mature)).toEqual([true, false, false]);
});

test("windows that are not mature are hollow, and joined to their neighbours", () => {
  const windows = labelledOf([sample(0, 100), sample(1, 100), sample(2, 100, 900), sample(3, 100)], new Map());
  const metrics = [0.9, 0.8, 0.7, 0.6].map((value) => ({ value, low: 0, high: 1, rows: 100 }));
  const [, solid, , few] = metricLines("accuracy", metrics, windows);
  expect(solid!.values).toEqual([0.9, 0.8, null, 0.6]);
  expect(few!.values).toEqual([null, 0.8, 0.7, 0.6]);
  expect(few!.hollow).toEqual([false, false, true, false]);
});
