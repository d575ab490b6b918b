import type { Alerter, ComparedColumn, Reference } from "../../api";
import * as format from "../../parts/format";

const DAY = 86_400;
const SOON = 14 * DAY; // time before the expiry in which the page warns, as `apply` does

export const LEARNED = "learned"; // name of the reference that the collector makes itself

/**
 * Whether a version is current, such as "current, expires in 3 d". One that is "not current" is a proposal,
 * or was current until a rollback or a removal; the collector does not store which.
 */
export function stateOf(version: Reference, versions: readonly Reference[], now: number): string {
  if (!version.current) {
    const later = versions.some(
      (one) => one.name === version.name && one.current && one.created >= version.created,
    );
    return later ? "older than the current one" : "not current";
  }
  const { expires } = version;
  if (expires === null) return "current";
  if (expires <= now) return "current, expired";
  return expires - now <= SOON
    ? `current, expires in ${format.duration(expires - now)}`
    : `current, expires ${format.date(expires)}`;
}

/** A sentence that names the alerters that compare with a reference; null without one. */
export function neededBy(version: Reference, alerters: readonly Alerter[]): string | null {
  const names = alerters.filter((one) => one.reference === version.name).map((one) => one.name);
  if (names.length === 0) return null;
  return names.length === 1
    ? `The alerter ${names[0]} compares with it. To delete the reference, first remove the alerter, or let it compare with another reference.`
    : `The alerters ${names.join(", ")} compare with it. To delete the reference, first remove them, or let them compare with another reference.`;
}

/** The button that makes a version the current one, in the word for what that is. */
export function verbOf(state: string): string {
  if (state === "not current") return "Make it current";
  return state === "older than the current one" ? "Roll back to this version" : "Change expiry";
}

/** The distances of a column in one line, or why there are none. */
export function distancesOf(column: ComparedColumn): string {
  const found = Object.entries(column.distances).map(([name, { value, why }]) =>
    value === null ? why : `${format.named(name)} ${format.number(value, 3)}`,
  );
  if (found.length) return found.join(", ");
  return column.in_reference ? "only in the first" : "only in the second";
}
