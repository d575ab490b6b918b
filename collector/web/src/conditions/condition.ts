/** How the pages show one kind of condition: as text, and as limits on charts. */

import type { Alerter } from "../api";

/** A limit, drawn as a line on the chart of its statistic or comparator. */
export interface Limit {
  what: string; // statistic or comparator
  value: number; // in its unit
  name: string;
}

export interface Condition {
  words: (alerter: Alerter) => string; // text after "opens when"
  limits: (alerter: Alerter, reference: string | undefined) => readonly Limit[]; // limits for this reference
}
