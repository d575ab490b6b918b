import type { Condition } from "./condition";

/** A status that the user's own code decides. */
export const reported: Condition = {
  words: ({ parameters }) =>
    parameters?.function ? `${parameters.function} says so` : "the program that reports says so",
  limits: () => [],
};
