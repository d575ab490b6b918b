/** The sides that a window of a logged summary can be compared with. */

import type { Query, Sample } from "../../api";

const DAY = 86400; // seconds
const MOST_SEGMENTS = 12;

export interface Side {
  id: string;
  name: string;
  query: Pick<Query<"/api/v1/difference">, "other_earlier" | "other_label">;
}

/** Earlier windows, and the values of each label. The first side is the default. */
export function sides(
  samples: readonly Sample[],
  selected: number,
  labels: Readonly<Record<string, readonly string[]>>,
): Side[] {
  const sample = samples[selected]!;
  const before = samples[selected - 1];
  const found: Side[] = [];
  if (before) {
    const earlier = sample.window_start - before.window_start;
    found.push({ id: "before", name: "window before", query: { other_earlier: earlier } });
  }
  for (const [id, name, earlier] of [
    ["day", "a day earlier", DAY],
    ["week", "a week earlier", 7 * DAY],
  ] as const) {
    if (sample.window_end - sample.window_start <= earlier) {
      found.push({ id, name, query: { other_earlier: earlier } });
    }
  }
  const segments = Object.entries(labels)
    .filter(([, values]) => values.length > 1)
    .flatMap(([key, values]) => values.map((value) => `${key}:${value}`));
  for (const segment of segments.slice(0, MOST_SEGMENTS)) {
    found.push({ id: `label:${segment}`, name: segment, query: { other_label: [segment] } });
  }
  return found;
}
