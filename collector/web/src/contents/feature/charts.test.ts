import { expect, test } from "vitest";
import type { Distance, Feature, Sample, Samples } from "../../api";
import { featureCharts } from "./charts";
import { rebinnedIn } from "./FeatureFigures";

const sample = (value: number | null, rebinned: boolean): Sample =>
  ({ psi: value, ks: null, distances: { psi: { value, noise: null, rebinned } as Distance } }) as Partial<Sample> as Sample;

const distances = (samples: Sample[]) => {
  const features = samples.map(() => ({ quantiles: {}, top: [], missing_ratio: 0, count: 1 }) as Partial<Feature> as Feature);
  return featureCharts(features, { samples, reference: null } as Partial<Samples> as Samples)[0]!;
};

test("windows that were re-binned from their t-digest are hollow on a line of their own", () => {
  const { lines } = distances([sample(0.1, false), sample(0.2, true), sample(null, true)]);
  expect(lines.map((each) => each.name)).toEqual(["PSI", "estimated, re-binned"]);
  expect(lines[0]!.values).toEqual([0.1, 0.2, null]);
  expect(lines[1]!.values).toEqual([null, 0.2, null]);
  expect(lines[1]!.hollow).toEqual([false, true, true]);
});

test("windows on the edges of the reference have no such line", () => {
  expect(distances([sample(0.1, false)]).lines.map((each) => each.name)).toEqual(["PSI"]);
});

test("a window tells which of its distances are estimated", () => {
  expect(rebinnedIn(sample(0.1, true))).toEqual(["PSI"]);
  expect(rebinnedIn(sample(null, true))).toEqual([]);
  expect(rebinnedIn(sample(0.1, false))).toEqual([]);
});
