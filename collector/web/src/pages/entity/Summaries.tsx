/** A table of the summaries of one role, with the health and the newest windows of each. */

import { useEffect, useRef, useState } from "preact/hooks";
import * as api from "../../api";
import { Sparkline } from "../../charts/Sparkline";
import { kindOf } from "../../contents/registered";
import * as format from "../../parts/format";
import { ListTable } from "../../parts/ListTable";
import { StatusMark } from "../../parts/StatusMark";
import { summaryLink } from "../../router";
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
  const [ref, seen] = useNearView<HTMLElement>();
  const newest = useNewest(seen ? rows : [], service ? undefined : entity.references[0]);
  return (
    <section ref={ref} aria-labelledby={id}>
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
            <Row key={row.name} summary={row} series={newest.get(row.name)} />
          ))}
        </tbody>
      </ListTable>
    </section>
  );
}

/** The newest windows of the summaries of *rows*; those with new data are requested together. */
function useNewest(
  rows: readonly api.Summary[],
  reference: string | undefined,
): ReadonlyMap<string, api.Samples> {
  const [series, setSeries] = useState<ReadonlyMap<string, api.Samples>>(new Map());
  const known = useRef(new Map<string, string>()); // state of each summary in `series`
  const states = rows.map((row) => [row.name, `${row.last_seen} ${row.observations} ${reference}`] as const);
  useEffect(() => {
    const changed = states.filter(([name, state]) => known.current.get(name) !== state);
    const entity = rows[0]?.entity;
    if (entity === undefined || !changed.length) return;
    const stop = new AbortController();
    const question = { entity, summary: changed.map(([name]) => name), windows: WINDOWS, reference };
    api.newest(question, stop.signal).then(
      (found) => {
        for (const [name, state] of changed) known.current.set(name, state);
        setSeries((before) => new Map([...before, ...found]));
      },
      () => {
        // The page's own poll shows the error; the rows keep their old values.
      },
    );
    return () => stop.abort();
  }, [JSON.stringify(states)]);
  return series;
}

function Row({ summary, series }: { summary: api.Summary; series: api.Samples | undefined }) {
  const { entity, name, observations, logged } = summary;
  const glance = series?.samples.length ? kindOf(series.samples).glance(series) : null;
  return (
    <tr>
      <th scope="row">
        <a href={summaryLink(entity, name)}>{name}</a>
        {summary.declared?.description && <div class="faint">{format.firstLine(summary.declared.description)}</div>}
      </th>
      <td>
        <StatusMark status={summary.health} />
      </td>
      <td class="faint">{logged ? logged.data_type.replaceAll("_", " ") : summary.data_type === "service" ? "requests" : summary.data_type}{summary.declared?.unit && `, ${summary.declared.unit}`}</td>
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
