/** Joins the times of episodes that overlap, so that a chart shades each time once. */

import type { Shade } from "../../charts/timeline";

export function joined(shades: readonly Shade[]): Shade[] {
  const found: Shade[] = [];
  for (const { from, to } of [...shades].sort((one, other) => one.from - other.from)) {
    const last = found.at(-1);
    if (last && from <= last.to) last.to = Math.max(last.to, to);
    else found.push({ from, to });
  }
  return found;
}
