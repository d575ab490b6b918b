const STEPS = [60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86400]; // seconds

/**
 * The length that windows should be merged to, so that at most *points* of them span *span*.
 *
 * Undefined where they are long enough as they are. All in seconds.
 */
export function step(span: number, windowLength: number, points: number): number | undefined {
  const wanted = span / points;
  if (wanted <= windowLength) return undefined;
  const fits = (each: number): boolean => each >= wanted && each % windowLength === 0;
  const nice = STEPS.find(fits);
  if (nice !== undefined) return nice;
  const base = Math.max(windowLength, wanted > 86400 && 86400 % windowLength === 0 ? 86400 : windowLength);
  return Math.ceil(wanted / base) * base;
}
