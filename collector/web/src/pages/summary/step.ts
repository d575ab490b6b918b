const STEPS = [60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86400]; // seconds

/**
 * The length of merged windows, so that at most *points* of them cover *span*.
 *
 * Undefined if the windows are long enough without a merge. All lengths are in seconds.
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
