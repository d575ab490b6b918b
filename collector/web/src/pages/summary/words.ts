/** The rules of an alerter beside its condition, in words. */

import type { Alerter, Limit } from "../../api";
import * as format from "../../parts/format";

/** What must hold for an episode to open and close. */
export function needs(alerter: Alerter): string {
  const windows = alerter.windows_to_open;
  return [
    `${format.count(alerter.minimum_count)} observations`,
    windows === 1 ? "1 window" : `${windows} windows in a row`,
    alerter.for_seconds > 0 && `for ${format.duration(alerter.for_seconds)}`,
    alerter.closing && `closes at ${limitWords(alerter.closing)}`,
    alerter.delay_seconds > 0 && `judged after ${format.duration(alerter.delay_seconds)}`,
    alerter.schedule.length > 0 && `only ${scheduleWords(alerter)}`,
  ]
    .filter(Boolean)
    .join(", ");
}

/** The severity, and from which limit on it is critical. */
export const severities = ({ severity, critical }: Alerter): string =>
  critical ? `${severity}, critical from ${limitWords(critical)}` : severity;

const limitWords = ({ threshold, low, high }: Limit): string =>
  [
    threshold !== undefined && format.number(threshold),
    low !== undefined && `low ${format.number(low)}`,
    high !== undefined && `high ${format.number(high)}`,
  ]
    .filter(Boolean)
    .join(", ");

const scheduleWords = ({ schedule, time_zone: zone }: Alerter): string => {
  const hours = schedule.map(({ days, start, end }) =>
    [days?.join(" "), `${start ?? "00:00"} to ${end ?? "24:00"}`].filter(Boolean).join(" "),
  );
  return `${hours.join("; ")} ${zone}`;
};
