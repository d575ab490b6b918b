import { expect, test } from "vitest";
import type { Alerter, Reference } from "../../api";
import { distancesOf, neededBy, stateOf, verbOf } from "./words";

const DAY = 86_400;
const reference = (changes: Partial<Reference>): Reference => ({
  ...{ entity: "fraud", name: "training", digest: "a", rows: 1, source: "train.csv" },
  ...{ created: 100, current: true, expires: null, feature: null },
  ...changes,
});

test.each([
  [{}, "current"],
  [{ expires: 40 * DAY }, "current, expires 1970-02-10"],
  [{ expires: 10 * DAY + 200 }, "current, expires in 10 d"],
  [{ expires: 200 }, "current, expired"],
  [{ current: false, created: 99 }, "older than the current one"],
  [{ current: false, created: 101 }, "not current"],
  [{ current: false, name: "golden" }, "not current"],
])("%j is %s", (changes, state) => {
  expect(stateOf(reference(changes), [reference({})], 200)).toBe(state);
});

test("the button says what choosing a version means", () => {
  expect(["not current", "older than the current one", "current"].map(verbOf)).toEqual([
    "Make it current",
    "Roll back to this version",
    "Change expiry",
  ]);
});

test("a distance that is undefined says why, and a column that a side lacks names the side", () => {
  const column = { summary: "input.a", in_reference: true, in_other: true };
  const psi = { value: 0.25, why: "", rebinned: false };
  const ks = { value: null, why: "ks needs 30 values", rebinned: false };
  expect(distancesOf({ ...column, distances: { psi, ks } as never })).toBe("PSI 0.25, ks needs 30 values");
  expect(distancesOf({ ...column, in_other: false, distances: {} })).toBe("only in the first");
  expect(distancesOf({ ...column, in_reference: false, distances: {} })).toBe("only in the second");
});

test("the alerters that compare with a reference are named", () => {
  const alerters = ["drift", "late"].map((name) => ({ name, reference: "training" }) as Alerter);
  expect(neededBy(reference({}), [])).toBeNull();
  expect(neededBy(reference({ name: "golden" }), alerters)).toBeNull();
  expect(neededBy(reference({}), alerters.slice(0, 1))).toContain("The alerter drift compares with it.");
  expect(neededBy(reference({}), alerters)).toContain("The alerters drift, late compare with it.");
});
