import type { Episode } from "../api";
import { entityLink, summaryLink } from "../router";

const OWN_SUMMARIES = "nilometer."; // episodes about the monitoring itself, which have no page

/** A link to the summary, with the labels of the episode and the time of its figure. */
export function link(
  episode: Pick<Episode, "entity" | "summary" | "labels" | "reference" | "measured">,
): string {
  if (episode.summary.startsWith(OWN_SUMMARIES)) return entityLink(episode.entity);
  const options = new URLSearchParams();
  if (episode.reference) options.set("reference", episode.reference);
  for (const [key, value] of Object.entries(episode.labels)) options.append("label", `${key}:${value}`);
  options.set("time", String(episode.measured));
  return summaryLink(episode.entity, episode.summary, options);
}
