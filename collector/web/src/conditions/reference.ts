import * as format from "../parts/format";
import type { Condition } from "./condition";

/** A distance from a reference above a threshold. */
export const reference: Condition = {
  words: ({ comparator, reference, threshold, direction }) =>
    `${format.named(comparator)} against ${reference} > ${format.measured(comparator, threshold)}${direction && `, only ${direction}`}`,
  limits: (alerter, against) =>
    alerter.reference === against
      ? [{ what: alerter.comparator, value: alerter.threshold, name: "threshold" }]
      : [],
};
