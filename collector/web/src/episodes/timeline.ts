/** The openings, closings, decisions and actions of an episode in the order of their time. */

import type { Decision, Episode, Run } from "../api";
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
export function timeline(episode: Pick<Episode, "history" | "decisions" | "runs">): Turn[] {
  const turns = [
    ...episode.history.map(({ at, status, evidence }, i) => {
      const word = i > 0 && status === "ALERTING" ? "got critical" : STATUS_WORDS[status];
      return { at, words: `${word}: ${evidence}` };
    }),
    ...episode.decisions.map((each) => ({ at: each.made, words: decided(each) })),
    ...episode.runs.flatMap(acted),
  ];
  return turns.sort((one, other) => one.at - other.at);
}

function outcome(pending: boolean, lapsed: boolean): string {
  if (pending) return ", which is being learned";
  return lapsed ? ", but the part had closed before, so nothing was learned" : "";
}

const STATE_WORDS: Record<Run["state"], string> = {
  waiting: "waits",
  dry_run: "dry run",
  awaiting_approval: "needs approval",
  approved: "approved",
  declined: "declined",
  expired: "approval expired",
  sending: "is being sent",
  sent: "sent, no response",
  accepted: "under way",
  failed: "failed",
  worked: "worked",
  did_not: "did not work",
  cannot_tell: "cannot tell whether it worked",
  superseded: "no longer needed",
  unread: "has a state that only a newer version of the collector knows",
};

/** The turns of a run. A run that only waits says what it waits for. */
function acted({ action, turns, state, waits_for: waitsFor }: Run): Turn[] {
  const shown = state === "waiting" ? turns : turns.filter((turn) => turn.state !== "waiting");
  return shown.map(({ at, state: after, author, reason }) => {
    const by = author === "" ? "" : ` by ${author}`;
    const why = after === "waiting" && waitsFor !== "" ? waitsFor : reason;
    return { at, words: `action ${action}: ${STATE_WORDS[after]}${by}: ${why}` };
  });
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
