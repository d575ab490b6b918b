import * as format from "../parts/format";
import type { Condition } from "./condition";

/** A statistic on one side of a threshold. */
export const fixed: Condition = {
  words: ({ statistic, comparison, threshold }) =>
    `${format.named(statistic)} ${comparison} ${format.measured(statistic, threshold)}`,
  limits: ({ statistic, comparison, threshold }) => [
    { what: statistic, value: threshold, name: `${format.named(statistic)} ${comparison}` },
  ],
};
