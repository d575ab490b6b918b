/** A list of episodes with their summary, value, threshold and time. */

import type { Episode, Part } from "../api";
import { Gauge } from "../charts/Gauge";
import { Fact, FactList } from "../parts/FactList";
import * as format from "../parts/format";
import { Labels } from "../parts/Labels";
import { StatusMark } from "../parts/StatusMark";
import { Time } from "../parts/Time";
import { entityLink, episodeLink } from "../router";
import { Approve } from "./Approve";
import { Decide } from "./Decide";
import { link } from "./link";
import { timeline } from "./timeline";
import styles from "./EpisodeList.module.css";

export function EpisodeList({
  episodes,
  place,
  now,
}: {
  episodes: readonly Episode[];
  place: "home" | "entity" | "summary" | "episode"; // page that shows the list, whose facts are not repeated
  now: number;
}) {
  return (
    <ol class={styles.episodes}>
      {episodes.map((episode) => (
        <li key={episode.id} class={episode.closed === null ? styles.open : undefined}>
          <article class={styles.episode} aria-label={`Episode of ${episode.entity} ${episode.summary}`}>
            <div class={styles.what}>
              <p class={styles.line}>
                <StatusMark status={episode.closed === null ? "ALERTING" : "CLOSED"} />
                <span class={styles.name}>
                  {place === "home" && (
                    <>
                      <a href={entityLink(episode.entity)}>{episode.entity}</a>
                      <span class="faint"> / </span>
                    </>
                  )}
                  {place !== "summary" && <a href={link(episode)}>{episode.summary}</a>}
                  {place === "summary" && episode.alerter}
                </span>
                <Labels labels={episode.labels} />
              </p>
              <p class={styles.evidence}>{episode.evidence}</p>
              {episode.parts.length > 1 && <Parts parts={episode.parts} />}
              <Facts episode={episode} now={now} named={place !== "summary"} />
              {place !== "episode" && (
                <p class="small">
                  <a href={episodeLink(episode.entity, episode.id)}>Likely causes</a>
                </p>
              )}
              {episode.decisions.length + episode.runs.length > 0 && <Timeline episode={episode} />}
              {episode.runs
                .filter((run) => run.state === "awaiting_approval")
                .map((run) => <Approve key={run.run} run={run} />)}
              {place !== "home" && <Decide episode={episode} />}
            </div>
            <div class={styles.gauge}>
              <Gauge what={episode.comparator} value={episode.value} threshold={episode.threshold} />
              <p class="faint small">
                at <Time at={episode.measured} />
              </p>
            </div>
          </article>
        </li>
      ))}
    </ol>
  );
}

/** The summaries and label sets that drifted together. */
function Parts({ parts }: { parts: readonly Part[] }) {
  return (
    <ul class={styles.parts}>
      {parts.map((part) => (
        <li key={`${part.summary} ${JSON.stringify(part.labels)} ${part.opened}`}>
          <StatusMark status={part.closed === null ? "ALERTING" : "CLOSED"} /> {part.evidence}
        </li>
      ))}
    </ul>
  );
}

/** What happened to the episode, with the decisions of people and the actions. */
function Timeline({ episode }: { episode: Episode }) {
  return (
    <ol class={styles.parts} aria-label="History">
      {timeline(episode).map(({ at, words }) => (
        <li key={`${at} ${words}`}>
          <Time at={at} /> {words}
        </li>
      ))}
    </ol>
  );
}

function Facts({ episode, now, named }: { episode: Episode; now: number; named: boolean }) {
  const { breached_since: since, closed } = episode;
  return (
    <FactList>
      <Fact name={closed === null ? "since" : "from"}>
        {closed === null ? <Time at={since} now={now} /> : <Time at={since} />}
      </Fact>
      {closed !== null && (
        <Fact name="to">
          <Time at={closed} /> <span class="faint">({format.duration(closed - since)})</span>
        </Fact>
      )}
      {episode.worst !== null && (
        <Fact name="worst">
          {format.measured(episode.comparator, episode.worst)}
          {episode.worst_at !== null && (
            <>
              {" "}
              at <Time at={episode.worst_at} />
            </>
          )}
        </Fact>
      )}
      {named && <Fact name="alerter">{episode.alerter}</Fact>}
      <Fact name="severity">{episode.severity}</Fact>
      {closed === null && episode.acknowledged_by !== null && (
        <Fact name="acknowledged by">{episode.acknowledged_by}</Fact>
      )}
      {closed === null && episode.silenced_until !== null && (
        <Fact name="silenced until">
          <Time at={episode.silenced_until} />
        </Fact>
      )}
      {episode.reference && (
        <Fact name="reference">
          {episode.reference}
          {episode.reference_digest && (
            <code class="faint" title={episode.reference_digest}> {episode.reference_digest.slice(0, 8)}</code>
          )}
        </Fact>
      )}
    </FactList>
  );
}

