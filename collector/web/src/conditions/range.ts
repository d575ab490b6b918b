import type { Alerter } from "../api";
import * as format from "../parts/format";
import type { Condition, Limit } from "./condition";

/** A statistic outside two bounds. */
export const range: Condition = {
  words: (alerter) => {
    const { statistic, low, high } = alerter;
    const show = (value: number): string => format.measured(statistic, value);
    const limits = limitsOf(alerter);
    if (limits.length === 2) return `${format.named(statistic)} outside ${show(low)} to ${show(high)}`;
    return limits.map(({ name, value }) => `${name} ${show(value)}`).join() || "never";
  },
  limits: limitsOf,
};

/** The existing bounds. JSON has no infinity, so the largest number means no bound. */
function limitsOf({ statistic, low, high }: Alerter): Limit[] {
  const name = format.named(statistic);
  return [
    { what: statistic, value: low, name: `${name} <` },
    { what: statistic, value: high, name: `${name} >` },
  ].filter(({ value }) => Math.abs(value) < Number.MAX_VALUE);
}
