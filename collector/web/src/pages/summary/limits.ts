import type { Alerter } from "../../api";
import type { Mark } from "../../charts/timeline";
import { conditionOf } from "../../conditions/registered";
import * as format from "../../parts/format";

const LIMIT_DASH = [6, 3];

/** The limits of alerters, by statistic or comparator. */
export function limitsOf(alerters: readonly Alerter[], reference: string | undefined): Map<string, Mark[]> {
  const limits = new Map<string, Mark[]>();
  for (const alerter of alerters) {
    for (const { what, value, name } of conditionOf(alerter.kind).limits(alerter, reference)) {
      const words = `${name} ${format.measured(what, value)}`;
      const mark = { value, name: words, tone: "alarm", dash: LIMIT_DASH };
      limits.set(what, [...(limits.get(what) ?? []), mark]);
    }
  }
  return limits;
}
