import type { Line } from "../charts/timeline";

/** Looks of lines that stand beside one another, in the order in which they are given out. */
export const LINE_LOOKS: readonly Pick<Line, "tone" | "dash">[] = [
  { tone: "flow" },
  { tone: "line-2", dash: [8, 3] },
  { tone: "line-3", dash: [2, 2] },
  { tone: "line-4", dash: [8, 3, 2, 3] },
  { tone: "line-5", dash: [4, 4] },
];
