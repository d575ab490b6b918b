/** The window that the options of the page select. */

import type { Sample } from "../../api";

/**
 * The position of the chosen window: by its start (`window`), else by a time in it or at its end
 * (`time`, as links of episodes have it), else the newest.
 */
export function selectedOf(samples: readonly Sample[], options: URLSearchParams): number {
  const start = options.get("window");
  const chosen = start === null ? -1 : samples.findIndex((each) => String(each.window_start) === start);
  if (chosen >= 0) return chosen;
  const time = options.get("time");
  const at = time === null ? NaN : Number(time);
  const around = samples.findIndex((each) => each.window_start < at && at <= each.window_end);
  return around >= 0 ? around : samples.length - 1;
}
