/** One entity: what is measured of it, and how each of these is. */

import { useEffect, useState } from "preact/hooks";
import * as api from "../api";
import { Sparkline } from "../charts/sparkline";
import { EpisodeList } from "../episodes";
import * as format from "../format";
import { leading } from "../histogram";
import { usePolled, useSeen } from "../hooks";
import { Await, HealthMark, Time } from "../parts";
import { summaryLink } from "../router";
import { recent } from "../series";

const WINDOWS = 60; // of a sparkline

const ROLES: readonly { role: api.Role; title: string }[] = [
  { role: "input", title: "Inputs" },
  { role: "output", title: "Outputs" },
  { role: "ground_truth", title: "Ground truth" },
  { role: "service", title: "Service" },
];

export function EntityPage({ name }: { name: string }) {
  const polled = usePolled(name, async (signal) => {
    const [entities, summaries, episodes] = await Promise.all([
      api.entities(signal),
      api.summaries(name, signal),
      api.episodes(name, signal),
    ]);
    const entity = entities.find((each) => each.name === name);
    if (!entity) throw new api.ApiProblem(404, "No such entity", `Nothing is known of ${name}.`);
    return { entity, summaries, episodes };
  });
  return (
    <>
      <h1>{name}</h1>
      <Await polled={polled}>
        {({ entity, summaries, episodes }) => {
          const now = Date.now() / 1000;
          return (
            <>
              <Head entity={entity} now={now} />
              {episodes.length > 0 && (
                <section aria-labelledby="episodes">
                  <h2 id="episodes">Episodes</h2>
                  <EpisodeList episodes={episodes.slice(0, 20)} place="entity" now={now} />
                </section>
              )}
              {!summaries.length && <p class="empty">No window has arrived yet.</p>}
              {ROLES.map(({ role, title }) => {
                const rows = summaries.filter((each) => each.role === role);
                if (!rows.length) return null;
                return <Summaries key={role} title={title} rows={rows} entity={entity} />;
              })}
            </>
          );
        }}
      </Await>
    </>
  );
}

function Head({ entity, now }: { entity: api.Entity; now: number }) {
  return (
    <dl class="facts head">
      <div>
        <dt>health</dt>
        <dd>
          <HealthMark health={entity.health} />
        </dd>
      </div>
      <div>
        <dt>observations</dt>
        <dd>{format.count(entity.observations)}</dd>
      </div>
      <div>
        <dt>first data</dt>
        <dd>
          <Time at={entity.first_seen} />
        </dd>
      </div>
      <div>
        <dt>last data</dt>
        <dd>
          <Time at={entity.last_seen} now={now} />
        </dd>
      </div>
      <div>
        <dt>{entity.references.length > 1 ? "references" : "reference"}</dt>
        <dd>{entity.references.join(", ") || "none"}</dd>
      </div>
    </dl>
  );
}

function Summaries({
  title,
  rows,
  entity,
}: {
  title: string;
  rows: readonly api.Summary[];
  entity: api.Entity;
}) {
  const service = rows[0]?.role === "service";
  const id = title.toLowerCase().replace(" ", "-");
  return (
    <section aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      <table class="list summaries">
        <thead>
          <tr>
            <th scope="col">Summary</th>
            <th scope="col">Health</th>
            <th scope="col">Type</th>
            <th scope="col">Newest windows</th>
            <th scope="col">Newest value</th>
            <th scope="col" class="right" title="Population stability index against the reference, nats">
              {service ? "" : "PSI"}
            </th>
            <th scope="col" class="right">Observations</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <Row key={row.name} summary={row} reference={entity.references[0]} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Row({ summary, reference }: { summary: api.Summary; reference: string | undefined }) {
  const [ref, seen] = useSeen<HTMLTableRowElement>();
  const [series, setSeries] = useState<api.Samples | null>(null);
  const { entity, name, last_seen: lastSeen, observations } = summary;
  useEffect(() => {
    if (!seen || lastSeen === null) return;
    const stop = new AbortController();
    const asked = summary.role === "service" ? undefined : reference;
    recent(entity, name, lastSeen, asked, WINDOWS, stop.signal).then(setSeries, () => {
      // The page's own poll says that the collector is away; a row only stays as it was.
    });
    return () => stop.abort();
  }, [seen, lastSeen, observations, reference]);
  const glance = series && series.samples.length ? glanceOf(series) : null;
  return (
    <tr ref={ref}>
      <th scope="row">
        <a href={summaryLink(entity, name)}>{name}</a>
      </th>
      <td>
        <HealthMark health={summary.health} />
      </td>
      <td class="faint">{summary.data_type === "service" ? "requests" : summary.data_type}</td>
      <td class="spark">
        {glance && (
          <Sparkline
            values={glance.values}
            mark={glance.mark}
            label={`${glance.what} of the newest ${glance.values.length} windows`}
          />
        )}
      </td>
      <td data-name="newest value">
        {glance && (
          <span class="nowrap">
            <span class="faint">{glance.what}</span> {glance.newest}
          </span>
        )}
      </td>
      <td class="right" data-name={summary.role === "service" ? undefined : "PSI"}>
        {summary.role === "service" ? "" : format.distance(series?.samples.at(-1)?.psi)}
      </td>
      <td class="right" data-name="observations">{format.count(observations)}</td>
    </tr>
  );
}

interface Glance {
  what: string;
  values: (number | null)[];
  mark: number | null;
  newest: string;
}

/** The one line that tells most about a summary of this type. */
function glanceOf({ samples, reference }: api.Samples): Glance {
  const newest = samples.at(-1)!;
  if (newest.service) {
    return {
      what: "requests/s",
      values: samples.map((each) => each.service?.requests_per_second ?? null),
      mark: null,
      newest: format.number(newest.service.requests_per_second, 3),
    };
  }
  if (samples.some((each) => each.feature?.quantiles["0.5"] !== undefined)) {
    return {
      what: "median",
      values: samples.map((each) => each.feature?.quantiles["0.5"] ?? null),
      mark: reference?.feature?.quantiles["0.5"] ?? null,
      newest: format.number(newest.feature?.quantiles["0.5"]),
    };
  }
  const [value = ""] = leading(samples.map((each) => each.feature?.top ?? []), 1);
  const shareIn = (feature: api.Feature | null | undefined): number | null =>
    feature ? (feature.top.find((each) => each.value === value)?.ratio ?? 0) : null;
  return {
    what: `share of ${value || "(empty)"}`,
    values: samples.map((each) => shareIn(each.feature)),
    mark: reference?.feature ? shareIn(reference.feature) : null,
    newest: format.percent(shareIn(newest.feature)),
  };
}
