/** Formats numbers and times. Times are Unix seconds, shown in UTC. */

export const NOTHING = "–";

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/** A whole count with thousands separated: 1,204,551. */
export function count(value: number | null | undefined): string {
  return value == null || !Number.isFinite(value) ? NOTHING : grouped.format(value);
}

/** A measured number with about *digits* significant digits and no false zeros. */
export function number(value: number | null | undefined, digits = 4): string {
  if (value == null || !Number.isFinite(value)) return NOTHING;
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e9 || size < 1e-4) return value.toExponential(Math.max(0, digits - 2));
  const text =
    size >= 1000 ? grouped.format(value) : Number(value.toPrecision(digits)).toString();
  return text.replace("-", "−");
}

/** A ratio as a percentage: 0.0312 is 3.1 %. */
export function percent(ratio: number | null | undefined): string {
  if (ratio == null || !Number.isFinite(ratio)) return NOTHING;
  const value = ratio * 100;
  if (value === 0) return "0 %";
  if (Math.abs(value) < 0.01) return "< 0.01 %";
  const digits = Math.abs(value) < 1 ? 2 : Math.abs(value) < 99.95 ? 1 : 0;
  return `${value.toFixed(digits)} %`;
}

/** A latency: 0.0031 s is 3.1 ms. */
export function latency(seconds: number | null | undefined): string {
  if (seconds == null || !Number.isFinite(seconds)) return NOTHING;
  if (seconds === 0) return "0 s";
  if (seconds >= 1) return `${number(seconds, 3)} s`;
  if (seconds >= 1e-3) return `${number(seconds * 1e3, 3)} ms`;
  return `${number(seconds * 1e6, 3)} µs`;
}

/** A size in its largest fitting unit: 1 572 864 bytes are 1.5 MiB. */
export function size(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let at = 0;
  for (; value >= 1024 && at < units.length - 1; at += 1) value /= 1024;
  return `${number(value, 3)} ${units[at]}`;
}

/** A length of time in its largest fitting unit: 90 000 s is 25 h. */
export function duration(seconds: number): string {
  const size = Math.max(0, seconds);
  if (size < 2 * MINUTE) return `${Math.round(size)} s`;
  if (size < 2 * HOUR) return `${Math.round(size / MINUTE)} min`;
  if (size < 2 * DAY) return `${Math.round(size / HOUR)} h`;
  return `${Math.round(size / DAY)} d`;
}

const iso = (seconds: number): string => new Date(seconds * 1000).toISOString();

/** 2013-01-05 */
export const date = (seconds: number): string => iso(seconds).slice(0, 10);

/** 14:05, or 14:05:30 if the seconds are not zero. */
export const clock = (seconds: number): string =>
  iso(seconds).slice(11, seconds % MINUTE === 0 ? 16 : 19);

/** 2013-01-05 14:05 UTC */
export function time(seconds: number | null | undefined): string {
  return seconds == null ? NOTHING : `${date(seconds)} ${clock(seconds)} UTC`;
}

/** A window as short as possible without loss: a whole day is its date. */
export function window(start: number, end: number): string {
  if (start % DAY === 0 && end - start === DAY) return `${date(start)} UTC`;
  if (start % DAY === 0 && end % DAY === 0) return `${date(start)} to ${date(end - DAY)} UTC`;
  if (date(start) === date(end)) return `${date(start)} ${clock(start)} to ${clock(end)} UTC`;
  return `${date(start)} ${clock(start)} to ${date(end)} ${clock(end)} UTC`;
}

/** The age at *now*; empty if the date says more. */
export function ago(seconds: number, now: number): string {
  const age = now - seconds;
  if (age < 0 || age > 2 * DAY) return "";
  return age < 5 ? "just now" : `${duration(age)} ago`;
}

/** A distance between distributions, with a fixed number of decimals. */
export function distance(value: number | null | undefined): string {
  if (value == null || !Number.isFinite(value)) return NOTHING;
  const text = value.toFixed(3).replace("-", "−");
  return text === "−0.000" ? "0.000" : text;
}

/** A value in the unit of its statistic or comparator. */
export function measured(what: string, value: number): string {
  if (what.endsWith("_ratio")) return percent(value);
  if (what.endsWith("_seconds")) return latency(value);
  if (what === "psi" || what === "ks") return number(value, 3);
  return number(value);
}

/** The name of a statistic or comparator as text. */
export function named(what: string): string {
  if (what === "psi" || what === "ks") return what.toUpperCase();
  return what.replace(/_seconds$/, "").replaceAll("_", " ");
}

const MOST_IN_A_ROW = 80; // characters of a text in a table

/** The first line of a text, shortened for a table. */
export function firstLine(text: string): string {
  const line = text.split("\n", 1)[0]!;
  return line.length > MOST_IN_A_ROW ? `${line.slice(0, MOST_IN_A_ROW - 1)}…` : line;
}
