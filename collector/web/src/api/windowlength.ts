/** How long the windows of an entity are; the API does not say it, its samples do. */

import { ApiProblem, samples } from "./client";

const HOUR = 3600; // seconds
const DAY = 24 * HOUR;

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
      const found = (await samples({ entity, summary, start }, signal)).samples;
      if (found.length) {
        const length = Math.min(...found.map((each) => each.window_end - each.window_start));
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

/** Whether the collector refused to answer that much at once. */
export const tooMuch = (error: unknown): boolean =>
  error instanceof ApiProblem && error.status === 422;
