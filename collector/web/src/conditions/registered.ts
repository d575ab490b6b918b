/** The kinds of conditions that the pages know. A new kind is added here and nowhere else. */

import type { Condition } from "./condition";
import { baseline, other, previous } from "./distances";
import { fixed } from "./fixed";
import { range } from "./range";
import { reference } from "./reference";
import { reported } from "./reported";
import { unknownCondition } from "./unknown";

export const CONDITIONS: ReadonlyMap<string, Condition> = new Map([
  ["REFERENCE", reference],
  ["FIXED", fixed],
  ["RANGE", range],
  ["PREVIOUS", previous],
  ["BASELINE", baseline],
  ["OTHER", other],
  ["REPORTED", reported],
]);

/** The condition of this kind; a kind of another package shows its parameters. */
export const conditionOf = (
  kind: string,
  conditions: ReadonlyMap<string, Condition> = CONDITIONS,
): Condition => conditions.get(kind) ?? unknownCondition;
