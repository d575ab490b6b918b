/** The kinds of content that the pages know. A new kind is added here and nowhere else. */

import type { Sample } from "../api";
import type { ContentKind } from "./content";
import { feature } from "./feature/feature";
import { logged } from "./logged/logged";
import { performance } from "./performance/performance";
import { scores } from "./scores/scores";
import { service } from "./service/service";
import { unknownKind } from "./unknown/unknown";

export const KINDS: readonly ContentKind[] = [service, feature, scores, performance, logged];

/** The kind of *samples* of one summary; a kind of another package shows its numbers. */
export const kindOf = (
  samples: readonly Sample[],
  kinds: readonly ContentKind[] = KINDS,
): ContentKind => kinds.find(({ holds }) => samples.some(holds)) ?? unknownKind;
