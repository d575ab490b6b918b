import { expect, test } from "vitest";
import { alerterOf } from "../testing/answers";
import { SOURCES } from "../testing/sources";
import type { Condition } from "./condition";
import { CONDITIONS, conditionOf } from "./registered";

const shown = (alerter: ReturnType<typeof alerterOf>, reference?: string) => {
  const { words, limits } = conditionOf(alerter.kind);
  return [words(alerter), ...limits(alerter, reference).map(({ what, value, name }) => [what, value, name])];
};

test("a threshold is one limit", () => {
  const fixed = alerterOf("FIXED", { statistic: "missing_ratio", comparison: ">", threshold: 0.1 });
  expect(shown(fixed)).toEqual([
    "missing ratio > 10.0 %",
    ["missing_ratio", 0.1, "missing ratio >"],
  ]);
});

test("a range is a limit on each side that it has", () => {
  const range = alerterOf("RANGE", { statistic: "mean", low: 5, high: 19 });
  expect(shown(range)).toEqual([
    "mean outside 5 to 19",
    ["mean", 5, "mean <"],
    ["mean", 19, "mean >"],
  ]);
  expect(shown({ ...range, high: Number.MAX_VALUE })).toEqual(["mean < 5", ["mean", 5, "mean <"]]);
  expect(shown({ ...range, low: -Number.MAX_VALUE })).toEqual(["mean > 19", ["mean", 19, "mean >"]]);
});

test("a distance is a limit where it is measured from the same reference", () => {
  const drift = alerterOf("REFERENCE", { comparator: "psi", reference: "training", threshold: 0.2 });
  expect(shown(drift, "training")).toEqual([
    "PSI against training > 0.2",
    ["psi", 0.2, "threshold"],
  ]);
  expect(shown(drift, "golden")).toEqual(["PSI against training > 0.2"]);
});

test("a distance from other windows names them", () => {
  const changes: Partial<ReturnType<typeof alerterOf>> = { comparator: "ks", threshold: 0.3 };
  expect(shown(alerterOf("PREVIOUS", { ...changes, direction: "up" }))).toEqual([
    "KS against the window before > 0.3, only up",
  ]);
  expect(shown(alerterOf("BASELINE", { ...changes, parameters: { days: 3, same_hour: 1 } }))).toEqual([
    "KS against the 3 days before, same hour > 0.3",
  ]);
  expect(shown(alerterOf("OTHER", { ...changes, parameters: { other_labels: "version=1" } }))).toEqual([
    "KS against version=1 > 0.3",
  ]);
});

test("a condition from outside is shown by its name and its parameters", () => {
  const most = alerterOf("MOST", { threshold: 5, parameters: { values_allowed: 2, note: "few" } });
  expect(shown(most)).toEqual(["MOST, threshold = 5, values_allowed = 2, note = few"]);
  const trend = alerterOf("TREND", { statistic: "mean", high: 7 });
  expect(shown(trend)).toEqual(["TREND, statistic = mean, high = 7", ["mean", 7, "TREND high"]]);
});

test("a condition that is added to the registry has its own words", () => {
  const most: Condition = { words: () => "too many", limits: () => [] };
  expect(conditionOf("MOST", new Map([...CONDITIONS, ["MOST", most]]))).toBe(most);
});

const GENERATED = "/src/api/types.ts"; // what the collector's document says

test("only the registry knows the kinds by name", () => {
  const named = new RegExp([...CONDITIONS.keys()].map((kind) => `"${kind}"`).join("|"));
  const naming = Object.entries(SOURCES).filter(([, text]) => named.test(text));
  const byHand = naming.map(([path]) => path).filter((path) => path !== GENERATED);
  expect(byHand).toEqual(["/src/conditions/registered.ts"]);
});
