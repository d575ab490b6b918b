import type { Alerter } from "../../api";
import type { Mark } from "../../charts/timeline";
import * as format from "../../parts/format";

const LIMIT_DASH = [6, 3];

/** The limits that alerters set, by the statistic or comparator they speak of. */
export function limitsOf(alerters: readonly Alerter[], reference: string | undefined): Map<string, Mark[]> {
  const limits = new Map<string, Mark[]>();
  const add = (what: string, value: number, name: string): void => {
    const mark = { value, name: `${name} ${format.measured(what, value)}`, tone: "alarm", dash: LIMIT_DASH };
    limits.set(what, [...(limits.get(what) ?? []), mark]);
  };
  for (const alerter of alerters) {
    switch (alerter.kind) {
      case "REFERENCE":
        if (alerter.reference === reference) add(alerter.comparator, alerter.threshold, "threshold");
        break;
      case "FIXED":
        add(alerter.statistic, alerter.threshold, `${format.named(alerter.statistic)} ${alerter.comparison}`);
        break;
      case "RANGE":
        add(alerter.statistic, alerter.low, `${format.named(alerter.statistic)} <`);
        add(alerter.statistic, alerter.high, `${format.named(alerter.statistic)} >`);
        break;
    }
  }
  return limits;
}
