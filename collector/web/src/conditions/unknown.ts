/** A condition of a kind that has no entry in the registry: its name and whatever parameters it has. */

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

/** What is not at its default, which is an empty text or 0, and all that has no field of its own. */
const parametersOf = (alerter: Alerter): [string, string | number][] => [
  ...[...TEXTS, ...LIMITS]
    .map((key): [string, string | number] => [key, alerter[key]])
    .filter(([, value]) => value),
  ...Object.entries(alerter.parameters ?? {}),
];
