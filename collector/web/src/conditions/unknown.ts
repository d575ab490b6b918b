/** A condition of a kind without an entry in the registry, shown by its name and its parameters. */

import type { Alerter } from "../api";
import type { Condition } from "./condition";

const TEXTS = ["statistic", "comparator", "comparison", "reference"] as const;
const LIMITS = ["threshold", "low", "high"] as const;

export const unknownCondition: Condition = {
  words: (alerter) =>
    [alerter.kind, ...parametersOf(alerter).map(([key, value]) => `${key} = ${value}`)].join(", "),
  limits: (alerter) => {
    const what = alerter.statistic || alerter.comparator;
    return LIMITS.filter((key) => what && alerter[key]).map((key) => ({
      what,
      value: alerter[key],
      name: `${alerter.kind} ${key}`,
    }));
  },
};

/** All parameters that are not at their default, which is an empty text or 0. */
const parametersOf = (alerter: Alerter): [string, string | number][] => [
  ...[...TEXTS, ...LIMITS]
    .map((key): [string, string | number] => [key, alerter[key]])
    .filter(([, value]) => value),
  ...Object.entries(alerter.parameters ?? {}),
];
