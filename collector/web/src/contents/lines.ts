import type { Line } from "../charts/timeline";

/** Styles of the lines of a chart, in the order of the lines. */
export const LINE_LOOKS: readonly Pick<Line, "tone" | "dash">[] = [
  { tone: "flow" },
  { tone: "line-2", dash: [8, 3] },
  { tone: "line-3", dash: [2, 2] },
  { tone: "line-4", dash: [8, 3, 2, 3] },
  { tone: "line-5", dash: [4, 4] },
];
