/** Episodes: what went wrong, since when, and by how much. */

import type { Episode } from "./api";
import { Gauge } from "./charts/gauge";
import * as format from "./format";
import { HealthMark, Labels, Time } from "./parts";
import { entityLink, summaryLink } from "./router";

export function EpisodeList({
  episodes,
  place,
  now,
}: {
  episodes: readonly Episode[];
  place: "home" | "entity" | "summary"; // what need not be said again
  now: number;
}) {
  return (
    <ol class="episodes">
      {episodes.map((episode) => (
        <li key={episode.id} class={episode.closed === null ? "open" : "closed"}>
          <article aria-label={`Episode of ${episode.entity} ${episode.summary}`}>
            <div class="what">
              <p class="line">
                <State episode={episode} />
                <span class="name">
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
              <p class="evidence">{episode.evidence}</p>
              <Facts episode={episode} now={now} named={place !== "summary"} />
            </div>
            <Gauge what={episode.comparator} value={episode.value} threshold={episode.threshold} />
          </article>
        </li>
      ))}
    </ol>
  );
}

function State({ episode }: { episode: Episode }) {
  if (episode.closed === null) return <HealthMark health="ALERTING" />;
  return (
    <span class="health health-closed">
      <svg viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">
        <path d="M6 1.6 10.8 10.5H1.2Z" class="outline" />
      </svg>
      Closed
    </span>
  );
}

function Facts({ episode, now, named }: { episode: Episode; now: number; named: boolean }) {
  const { breached_since: since, closed } = episode;
  return (
    <dl class="facts">
      <div>
        <dt>{closed === null ? "since" : "from"}</dt>
        <dd>{closed === null ? <Time at={since} now={now} /> : <Time at={since} />}</dd>
      </div>
      {closed !== null && (
        <div>
          <dt>to</dt>
          <dd>
            <Time at={closed} /> <span class="faint">({format.duration(closed - since)})</span>
          </dd>
        </div>
      )}
      {named && (
        <div>
          <dt>alerter</dt>
          <dd>{episode.alerter}</dd>
        </div>
      )}
      <div>
        <dt>severity</dt>
        <dd>{episode.severity}</dd>
      </div>
      {episode.reference && (
        <div>
          <dt>reference</dt>
          <dd>
            {episode.reference}
            {episode.reference_digest && (
              <code class="faint" title={episode.reference_digest}> {episode.reference_digest.slice(0, 8)}</code>
            )}
          </dd>
        </div>
      )}
    </dl>
  );
}

/** The summary at the window that opened the episode, filtered as the episode was. */
function link(episode: Episode): string {
  const href = summaryLink(episode.entity, episode.summary);
  const query = new URLSearchParams();
  if (episode.reference) query.set("reference", episode.reference);
  for (const [key, value] of Object.entries(episode.labels)) query.append("label", `${key}:${value}`);
  const text = query.toString();
  return text ? `${href}?${text}` : href;
}
