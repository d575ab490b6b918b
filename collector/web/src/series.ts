/** Which windows to ask for: a range that ends with the newest data, merged to what a chart can show. */

import * as api from "./api";
import { step } from "./histogram";

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

const lengths = new Map<string, number>(); // seconds, by entity

/** The length of the windows that the entity's agents send, in seconds. */
export async function windowLength(
  entity: string,
  summary: string,
  lastSeen: number,
  signal?: AbortSignal,
): Promise<number> {
  const known = lengths.get(entity);
  if (known !== undefined) return known;
  // An hour holds a window, unless windows are longer, or more than can be answered at once.
  const longer = [8 * DAY, Infinity];
  const shorter = [HOUR / 6, HOUR / 60];
  let span: number | undefined = HOUR;
  while (span !== undefined) {
    const start = Number.isFinite(span) ? lastSeen - span : undefined;
    try {
      const { samples } = await api.samples({ entity, summary, start }, signal);
      if (samples.length) {
        const length = Math.min(...samples.map((each) => each.window_end - each.window_start));
        lengths.set(entity, length);
        return length;
      }
      span = span < HOUR ? undefined : longer.shift();
    } catch (error) {
      if (!tooMuch(error)) throw error;
      span = span! > HOUR ? undefined : shorter.shift();
    }
  }
  return HOUR;
}

const tooMuch = (error: unknown): boolean =>
  error instanceof api.ApiProblem && error.status === 422;

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
    { entity: entity.name, summary, start, step: merged, reference, labels },
    signal,
  );
  return { ...answer, range, asked: question.range, step: merged };
}

/** The newest windows of a summary, as many as a sparkline shows. */
export async function recent(
  entity: string,
  summary: string,
  lastSeen: number,
  reference: string | undefined,
  windows: number,
  signal?: AbortSignal,
): Promise<api.Samples> {
  const length = await windowLength(entity, summary, lastSeen, signal);
  return api.samples({ entity, summary, start: lastSeen - windows * length, reference }, signal);
}
