import type { Alerter } from "../api";
import * as format from "../parts/format";
import type { Condition } from "./condition";

/** A distance from other windows above a threshold. `of` names these windows. */
const distance = (of: (alerter: Alerter) => string): Condition => ({
  words: (alerter) => {
    const { comparator, threshold, direction } = alerter;
    const way = direction ? `, only ${direction}` : "";
    return `${format.named(comparator)} against ${of(alerter)} > ${format.measured(comparator, threshold)}${way}`;
  },
  limits: () => [], // the charts show distances from a reference only
});

export const previous = distance(() => "the window before");

export const baseline = distance(({ parameters }) => {
  const hour = parameters?.same_hour ? ", same hour" : "";
  return `the ${parameters?.days ?? 7} days before${hour}`;
});

export const other = distance(({ parameters }) =>
  [parameters?.other_entity, parameters?.other_labels].filter(Boolean).join(" "),
);
