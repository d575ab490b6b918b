/** A table of the summaries of one role, with the health and the newest windows of each. */

import { useEffect, useState } from "preact/hooks";
import type * as api from "../../api";
import { Sparkline } from "../../charts/Sparkline";
import { kindOf } from "../../contents/registered";
import * as format from "../../parts/format";
import { ListTable } from "../../parts/ListTable";
import { StatusMark } from "../../parts/StatusMark";
import { summaryLink } from "../../router";
import { recent } from "./recent";
import { useNearView } from "./nearView";
import styles from "./Summaries.module.css";

const WINDOWS = 60; // windows in a sparkline

export function Summaries({
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
      <ListTable class={styles.summaries}>
        <thead>
          <tr>
            <th scope="col">Summary</th>
            <th scope="col">Health</th>
            <th scope="col">Type</th>
            <th scope="col">Newest windows</th>
            <th scope="col">Newest value</th>
            <th scope="col" class="right" title="Population stability index: distance from the reference, in nats">
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
      </ListTable>
    </section>
  );
}

function Row({ summary, reference }: { summary: api.Summary; reference: string | undefined }) {
  const [ref, seen] = useNearView<HTMLTableRowElement>();
  const [series, setSeries] = useState<api.Samples | null>(null);
  const { entity, name, last_seen: lastSeen, observations } = summary;
  useEffect(() => {
    if (!seen || lastSeen === null) return;
    const stop = new AbortController();
    const asked = summary.role === "service" ? undefined : reference;
    recent(entity, name, lastSeen, asked, WINDOWS, stop.signal).then(setSeries, () => {
      // The page's own poll shows the error; the row keeps its old values.
    });
    return () => stop.abort();
  }, [seen, lastSeen, observations, reference]);
  const glance = series?.samples.length ? kindOf(series.samples).glance(series) : null;
  return (
    <tr ref={ref}>
      <th scope="row">
        <a href={summaryLink(entity, name)}>{name}</a>
      </th>
      <td>
        <StatusMark status={summary.health} />
      </td>
      <td class="faint">{summary.data_type === "service" ? "requests" : summary.data_type}</td>
      <td class={styles.spark}>
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
