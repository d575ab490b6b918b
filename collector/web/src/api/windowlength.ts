/** The window length of an entity, found from its samples because the API does not return it. */

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
  // An hour contains a window, unless windows are longer, or too short for one response.
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

/** Whether the collector refused because the response would be too large. */
export const tooMuch = (error: unknown): boolean =>
  error instanceof ApiProblem && error.status === 422;
