/** The page of one summary: the selected window beside the reference, and all windows over time. */

import { useMemo } from "preact/hooks";
import * as api from "../../api";
import type { Shade } from "../../charts/timeline";
import { EpisodeList } from "../../episodes/EpisodeList";
import { Await } from "../../parts/Await";
import { Empty } from "../../parts/Empty";
import { Fact, FactList } from "../../parts/FactList";
import * as format from "../../parts/format";
import { usePolled } from "../../parts/polled";
import { StatusMark } from "../../parts/StatusMark";
import { Time } from "../../parts/Time";
import { setOptions } from "../../router";
import { Alerters } from "./Alerters";
import { Controls, NO_REFERENCE } from "./Controls";
import { covers } from "./covers";
import { Difference } from "./Difference";
import { mergedWords } from "./merged";
import { OverTime } from "./OverTime";
import { selectedOf } from "./selected";
import { load, type Series } from "./series";
import { WindowPanel } from "./WindowPanel";
import styles from "./SummaryPage.module.css";

interface Facts {
  summary: api.Summary;
  references: string[];
  alerters: api.Alerter[];
  statuses: api.AlerterStatus[];
  episodes: api.Episode[];
  series: Series;
}

export function SummaryPage({
  entity: entityName,
  summary: summaryName,
  options,
}: {
  entity: string;
  summary: string;
  options: URLSearchParams;
}) {
  const range = options.get("range");
  const wanted = options.get("reference");
  const labels = options.getAll("label");
  const at = options.get("time");
  const key = JSON.stringify([range, wanted, labels, at]);
  const cache = useMemo<{ key: string; series: Series | null }>(() => ({ key: "", series: null }), []);
  const polled = usePolled(key, async (signal): Promise<Facts> => {
    const [entities, summaries, alerters, statuses, episodes] = await Promise.all([
      api.entities(signal),
      api.summaries(entityName, signal),
      api.alerters(entityName, signal),
      api.alerterStatuses(entityName, signal),
      api.episodes(entityName, signal, labels),
    ]);
    const entity = entities.find((each) => each.name === entityName);
    const summary = summaries.find((each) => each.name === summaryName);
    if (!entity || !summary) {
      throw new api.ApiProblem(404, "Summary not found", `${entityName} has no summary ${summaryName}.`);
    }
    const references = summary.role === "service" ? [] : entity.references;
    const reference = wanted === NO_REFERENCE ? undefined : (wanted ?? references[0]);
    const lastSeen = summary.last_seen ?? entity.last_seen ?? Date.now() / 1000;
    // Windows are large, so the page requests them again only when they have changed.
    const state = JSON.stringify([key, reference, summary.observations, summary.last_seen]);
    if (cache.key !== state || cache.series === null) {
      const around = at === null ? null : Number(at);
      const question = { entity, summary, lastSeen, around, range, reference, labels };
      cache.series = await load(question, signal);
      cache.key = state;
    }
    return {
      summary,
      references,
      series: cache.series,
      alerters: alerters.filter((each) => covers(each.summary, summaryName)),
      statuses: statuses.filter((each) => covers(each.summary, summaryName)),
      episodes: episodes.filter(
        ({ summary, parts }) => summary === summaryName || parts.some((part) => part.summary === summaryName),
      ),
    };
  });
  return (
    <>
      <h1>
        <code>{summaryName}</code>
      </h1>
      <Await polled={polled}>{(facts) => <Page {...facts} options={options} />}</Await>
    </>
  );
}

function Page(facts: Facts & { options: URLSearchParams }) {
  const { summary, series, alerters, statuses, episodes, options } = facts;
  const { samples } = series;
  const now = Date.now() / 1000;
  const selected = selectedOf(samples, options);
  const shades = useMemo<Shade[]>(
    () =>
      episodes.map((episode) => ({
        from: episode.breached_since,
        to: episode.closed ?? samples.at(-1)?.window_end ?? episode.opened,
      })),
    [episodes, samples],
  );
  const select = (index: number): void => {
    const sample = samples[index];
    const follows = index === samples.length - 1 && !options.has("time"); // the newest, also later
    if (sample) setOptions({ window: follows ? null : String(sample.window_start) });
  };
  return (
    <>
      <Head summary={summary} reference={series.reference} now={now} />
      <Controls
        summary={summary}
        references={facts.references}
        series={series}
        options={options}
      />
      {options.has("time") && (
        <p class="faint small" role="status">
          The page shows windows around <Time at={Number(options.get("time"))} />. Choose a time range to see the
          newest.
        </p>
      )}
      {series.refused && (
        <p class="faint small" role="status">
          {series.refused.name} has too many windows for one response. The page shows {series.range.name}.
        </p>
      )}
      {samples.length === 0 ? (
        <Empty>There are no windows in this time range{options.has("label") ? " with these labels" : ""}.</Empty>
      ) : (
        <div class={styles.bench}>
          <WindowPanel series={series} selected={selected} onSelect={select} />
          <OverTime
            series={series}
            merged={mergedWords(summary.labels, options.getAll("label"))}
            alerters={alerters}
            shades={shades}
            selected={selected}
            onSelect={select}
          />
        </div>
      )}
      {summary.role === "logged" && samples.length > 0 && (
        <Difference summary={summary} series={series} selected={selected} options={options} />
      )}
      <section aria-labelledby="episodes">
        <h2 id="episodes">Episodes</h2>
        {episodes.length ? (
          <EpisodeList episodes={episodes.slice(0, 20)} place="summary" now={now} />
        ) : (
          <Empty>No episodes.</Empty>
        )}
      </section>
      <Alerters alerters={alerters} statuses={statuses} />
    </>
  );
}

function Head({
  summary,
  reference,
  now,
}: {
  summary: api.Summary;
  reference: Series["reference"];
  now: number;
}) {
  return (
    <FactList head>
      <Fact name="health">
        <StatusMark status={summary.health} />
      </Fact>
      <Fact name="type">{summary.data_type}</Fact>
      <Fact name="observations">{format.count(summary.observations)}</Fact>
      <Fact name="last data">
        <Time at={summary.last_seen} now={now} />
      </Fact>
      {reference && (
        <Fact name="reference">
          {reference.name}, {format.count(reference.rows)} rows{" "}
          <code class="faint" title={reference.digest}>{reference.digest.slice(0, 8)}</code>
        </Fact>
      )}
    </FactList>
  );
}
