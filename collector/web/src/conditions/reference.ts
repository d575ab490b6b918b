import * as format from "../parts/format";
import type { Condition } from "./condition";

/** A distance from a reference above a threshold. */
export const reference: Condition = {
  words: ({ comparator, reference, threshold }) =>
    `${format.named(comparator)} against ${reference} > ${format.measured(comparator, threshold)}`,
  limits: (alerter, against) =>
    alerter.reference === against
      ? [{ what: alerter.comparator, value: alerter.threshold, name: "threshold" }]
      : [],
};
