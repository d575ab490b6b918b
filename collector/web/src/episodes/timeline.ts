/** The openings, closings and decisions of an episode in the order of their time. */

import type { Decision, Episode } from "../api";
import * as format from "../parts/format";

export interface Turn {
  at: number; // Unix seconds
  words: string;
}

const STATUS_WORDS: Record<Episode["history"][number]["status"], string> = {
  ALERTING: "opened",
  OK: "closed",
  NO_DATA: "closed without data",
  PAUSED: "closed, the alerter pauses",
  LEARNING: "closed, learning anew",
  NOT_WATCHED: "closed, not watched",
};

/** The timeline of *episode*, oldest turn first. */
export function timeline(episode: Pick<Episode, "history" | "decisions">): Turn[] {
  const turns = [
    ...episode.history.map(({ at, status, evidence }, i) => {
      const word = i > 0 && status === "ALERTING" ? "got critical" : STATUS_WORDS[status];
      return { at, words: `${word}: ${evidence}` };
    }),
    ...episode.decisions.map((each) => ({ at: each.made, words: decided(each) })),
  ];
  return turns.sort((one, other) => one.at - other.at);
}

function outcome(pending: boolean, lapsed: boolean): string {
  if (pending) return ", which is being learned";
  return lapsed ? ", but the part had closed before, so nothing was learned" : "";
}

function decided({ kind, author, reason, until, summary, pending, lapsed }: Decision): string {
  const end = until === null ? "" : ` until ${format.time(until)}`;
  switch (kind) {
    case "acknowledged":
      return `${author} acknowledged it${end}: ${reason}`;
    case "silenced":
      return `${author} silenced it${end}: ${reason}`;
    case "unsilenced":
      return `${author} ended the silence: ${reason}`;
    case "new_normal":
      return `${author} accepted the new normal of ${summary}${end}${outcome(pending, lapsed)}: ${reason}`;
  }
}
