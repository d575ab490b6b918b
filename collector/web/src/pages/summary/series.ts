/** Which windows to ask for: a range that ends with the newest data, merged to what a chart can show. */

import * as api from "../../api";
import { tooMuch, windowLength } from "../../api/windowlength";
import { step } from "./step";

const HOUR = 3600; // seconds
const DAY = 24 * HOUR;
const POINTS = 360; // windows in one answer
const PLENTY = 120; // windows that the range chosen for the reader should hold at least

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

/** The shortest range with plenty of windows: hours for minutes, everything for days. */
export function fitting(windowLength: number): Range {
  return RANGES.find(({ seconds }) => seconds >= PLENTY * windowLength) ?? RANGES.at(-1)!;
}

export interface Question {
  entity: api.Entity;
  summary: string;
  lastSeen: number; // Unix seconds
  range: string | null; // an id; null: what fits
  reference: string | undefined;
  labels: readonly string[];
}

export interface Series extends api.Samples {
  range: Range;
  asked: string | null; // the range's id in the question
  refused: Range | null; // what was more than the collector answers at once
  step: number | undefined; // seconds that windows were merged to
}

/** The series over the range asked for, or over the longest shorter one that is not too much. */
export async function load(question: Question, signal?: AbortSignal): Promise<Series> {
  const length = await windowLength(question.entity.name, question.summary, question.lastSeen, signal);
  const wanted = RANGES.find(({ id }) => id === question.range) ?? fitting(length);
  let at = RANGES.indexOf(wanted);
  for (;;) {
    try {
      const refused = RANGES[at] === wanted ? null : wanted;
      return { ...(await loadRange(question, RANGES[at]!, length, signal)), refused };
    } catch (error) {
      if (!tooMuch(error) || at === 0) throw error;
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
  const { entity, summary, lastSeen, reference, labels } = question;
  const first = entity.first_seen ?? lastSeen - range.seconds;
  const span = Math.min(range.seconds, Math.max(lastSeen - first, length));
  const merged = step(span, length, POINTS);
  const unit = merged ?? length;
  const start = Math.floor((lastSeen - span) / unit) * unit;
  const answer = await api.samples(
    { entity: entity.name, summary, start, step: merged, reference, label: labels },
    signal,
  );
  return { ...answer, range, asked: question.range, step: merged };
}
