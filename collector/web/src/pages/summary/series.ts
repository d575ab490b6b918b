/** Requests the windows of a time range up to the newest data, merged to as many as a chart can show. */

import * as api from "../../api";
import { step } from "./step";

const HOUR = 3600; // seconds
const DAY = 24 * HOUR;
const POINTS = 360; // windows in one response
const PLENTY = 120; // fewest windows in the range that the page chooses itself

export interface Range {
  id: string;
  name: string;
  seconds: number;
}

export const RANGES: readonly Range[] = [
  { id: "1h", name: "1 h", seconds: HOUR },
  { id: "6h", name: "6 h", seconds: 6 * HOUR },
  { id: "1d", name: "24 h", seconds: DAY },
  { id: "7d", name: "7 d", seconds: 7 * DAY },
  { id: "30d", name: "30 d", seconds: 30 * DAY },
  { id: "all", name: "All", seconds: Infinity },
];

/** The shortest range with at least `PLENTY` windows: hours for minutes, everything for days. */
export function fitting(windowLength: number): Range {
  return RANGES.find(({ seconds }) => seconds >= PLENTY * windowLength) ?? RANGES.at(-1)!;
}

export interface Question {
  entity: api.Entity;
  summary: api.Summary;
  lastSeen: number; // Unix seconds
  around: number | null; // time in the middle of the range, Unix seconds; null ends it at lastSeen
  range: string | null; // id of the chosen range; null lets the page choose
  reference: string | undefined;
  labels: readonly string[];
}

export interface Series extends api.Samples {
  range: Range;
  asked: string | null; // id of the requested range
  refused: Range | null; // range that was too large for one response
  step: number | undefined; // length of merged windows in seconds
}

/** The series over the requested range, or over the longest shorter range that fits one response. */
export async function load(question: Question, signal?: AbortSignal): Promise<Series> {
  const length = question.summary.window;
  const wanted = RANGES.find(({ id }) => id === question.range) ?? fitting(length);
  let at = RANGES.indexOf(wanted);
  for (;;) {
    try {
      const refused = RANGES[at] === wanted ? null : wanted;
      return { ...(await loadRange(question, RANGES[at]!, length, signal)), refused };
    } catch (error) {
      if (!api.tooMuch(error) || at === 0) throw error;
      at -= 1;
    }
  }
}

async function loadRange(
  question: Question,
  range: Range,
  length: number,
  signal?: AbortSignal,
): Promise<Omit<Series, "refused">> {
  const { entity, summary, lastSeen, around, reference, labels } = question;
  const first = entity.first_seen ?? lastSeen - range.seconds;
  const span = Math.min(range.seconds, Math.max(lastSeen - first, length));
  const merged = step(span, length, POINTS);
  const unit = merged ?? length;
  const until = around === null ? lastSeen : Math.min(lastSeen, around + span / 2);
  const start = Math.floor((until - span) / unit) * unit;
  const end = until < lastSeen ? Math.ceil(until / unit) * unit : undefined;
  const answer = await api.samples(
    { entity: entity.name, summary: summary.name, start, end, step: merged, reference, label: labels },
    signal,
  );
  return { ...answer, range, asked: question.range, step: merged };
}
