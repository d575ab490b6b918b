/** What the pages show of one kind of condition: its words, and its limits on charts. */

import type { Alerter } from "../api";

/** One line on the chart of what it limits. */
export interface Limit {
  what: string; // statistic or comparator
  value: number; // in its unit
  name: string;
}

export interface Condition {
  words: (alerter: Alerter) => string; // the alerter "opens when" this is so
  limits: (alerter: Alerter, reference: string | undefined) => readonly Limit[]; // against it
}
