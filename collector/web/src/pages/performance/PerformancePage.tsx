/** The performance of an entity over time, with its maturity and beside its estimate. */

import { useMemo, useState } from "preact/hooks";
import * as api from "../../api";
import type { Line, Shade, Windows } from "../../charts/timeline";
import { TimeChart } from "../../charts/TimeChart";
import { labelledOf, LEAST_SHARE, metricLines, performanceIn } from "../../contents/performance/maturity";
import { namesOf, shown, wordsOf } from "../../contents/performance/metrics";
import { Await } from "../../parts/Await";
import { AnyOf, OneOf } from "../../parts/Choices";
import { Empty } from "../../parts/Empty";
import { Fact, FactList } from "../../parts/FactList";
import * as format from "../../parts/format";
import { usePolled } from "../../parts/polled";
import { StatusMark } from "../../parts/StatusMark";
import { Time } from "../../parts/Time";
import { setOptions, summaryLink } from "../../router";
import { RANGES } from "../summary/series";
import { joined } from "./shades";
import { load, type Loaded, performanceOf } from "./load";
import { GroundTruth } from "./GroundTruth";
import styles from "./PerformancePage.module.css";

interface Facts extends Loaded {
  entity: string;
  summary: api.Summary;
  summaries: api.Summary[]; // all that hold performance
  status: api.WatchedSummary | undefined;
  episodes: api.Episode[];
}

const MOST_VALUES = 12; // values of one label to choose from

export function PerformancePage({ entity: name, options }: { entity: string; options: URLSearchParams }) {
  const wanted = options.get("summary");
  const range = options.get("range");
  const labels = options.getAll("label");
  const polled = usePolled(JSON.stringify([name, wanted, range, labels]), async (signal) => {
    const [entity, all, watches, episodes] = await Promise.all([
      api.entity(name, signal),
      api.summaries(name, signal),
      api.watches(name, signal),
      api.episodes(name, signal, labels),
    ]);
    const summaries = performanceOf(all);
    const summary = summaries.find((each) => each.name === wanted) ?? summaries[0];
    if (!summary) return null;
    const loaded = await load(entity, all, summary, range, labels, signal);
    const status = watches[0]?.summaries.find(
      (each) => each.summary === summary.name && !Object.keys(each.labels).length,
    );
    const own = episodes.filter(({ parts }) => parts.some((part) => part.summary === summary.name));
    return { ...loaded, entity: name, summary, summaries, status, episodes: own };
  });
  return (
    <>
      <h1>Performance</h1>
      <Await polled={polled}>
        {(facts) =>
          facts ? (
            <Page {...facts} options={options} />
          ) : (
            <Empty>No predictions have been judged by their ground truth yet.</Empty>
          )
        }
      </Await>
    </>
  );
}

function Page(facts: Facts & { options: URLSearchParams }) {
  const { entity, summary, summaries, series, status, options } = facts;
  const metrics = namesOf(performanceIn(series.samples));
  const metric = metrics.find((each) => each === options.get("metric")) ?? metrics[0];
  const chosen = options.getAll("label");
  const toggle = (label: string): void => {
    const rest = chosen.filter((each) => each !== label);
    setOptions({ label: rest.length === chosen.length ? [...chosen, label] : rest });
  };
  const range = options.get("range");
  return (
    <>
      <FactList head>
        {status && (
          <Fact name="health">
            <StatusMark status={status.status} />
          </Fact>
        )}
        <Fact name="judged predictions">{format.count(summary.observations)}</Fact>
        <Fact name="last labelled window">
          <Time at={summary.last_seen} now={Date.now() / 1000} />
        </Fact>
        <Fact name="all metrics">
          <a href={summaryLink(entity, summary.name)}>{summary.name}</a>
        </Fact>
      </FactList>
      {status && <p class={styles.sentence}>{status.sentence}</p>}
      <form class={styles.controls} onSubmit={(event) => event.preventDefault()}>
        {summaries.length > 1 && (
          <OneOf
            legend="Summary"
            name="summary"
            options={summaries.map(({ name }) => ({ id: name, name }))}
            chosen={summary.name}
            onChoose={(id) => setOptions({ summary: id, metric: null })}
          />
        )}
        <OneOf
          legend="Metric"
          name="metric"
          options={metrics.map((id) => ({ id, name: wordsOf(id) }))}
          chosen={metric ?? ""}
          onChoose={(id) => setOptions({ metric: id })}
        />
        <OneOf
          legend="Time range, up to the newest data"
          name="range"
          options={RANGES}
          chosen={range === null || range === series.asked ? series.range.id : range}
          onChoose={(id) => setOptions({ range: id })}
        />
        {Object.entries(summary.labels).map(([label, values]) => (
          <AnyOf
            key={label}
            legend={label}
            options={values.slice(0, MOST_VALUES).map((value) => ({ id: `${label}:${value}`, name: value }))}
            chosen={chosen}
            onToggle={toggle}
          />
        ))}
      </form>
      {metric === undefined ? (
        <Empty>There are no labelled windows in this time range.</Empty>
      ) : (
        <Charts {...facts} metric={metric} />
      )}
      {facts.truth && <GroundTruth truth={facts.truth} maturity={facts.maturity} />}
    </>
  );
}

function Charts({ series, predictions, estimate, maturity, learnedUntil, episodes, metric }: Facts & { metric: string }) {
  const { samples } = series;
  const windows = useMemo<Windows>(
    () => ({ starts: samples.map((each) => each.window_start), ends: samples.map((each) => each.window_end) }),
    [samples],
  );
  const labelled = useMemo(() => labelledOf(samples, predictions, maturity?.windows), [samples, predictions, maturity]);
  const expected = useMemo(
    () => new Map((estimate?.windows ?? []).map((each) => [each.window_start, each.metrics[metric]?.value ?? null])),
    [estimate, metric],
  );
  const hasEstimate = [...expected.values()].some((each) => each !== null);
  const lines = useMemo<Line[]>(() => {
    const found = metricLines(wordsOf(metric), performanceIn(samples).map((each) => each?.metrics[metric]), labelled);
    if (hasEstimate) {
      const values = samples.map((each) => expected.get(each.window_start) ?? null);
      found.push({ name: "estimate without labels", values, tone: "line-2", dash: [8, 3] });
    }
    return found;
  }, [samples, labelled, expected, metric]);
  const shares = useMemo<Line[]>(
    () => [{ name: "predictions with a label", values: labelled.map((each) => each.share), tone: "line-3" }],
    [labelled],
  );
  const shades = useMemo<Shade[]>(
    () =>
      joined(
        episodes.map(({ breached_since, closed, opened }) => ({
          from: breached_since,
          to: closed ?? samples.at(-1)?.window_end ?? opened,
        })),
      ),
    [episodes, samples],
  );
  const [chosen, setChosen] = useState<number | null>(null);
  const selected = Math.min(chosen ?? Infinity, samples.length - 1);
  const common = { windows, shades, selected, onSelect: setChosen };
  return (
    <section aria-labelledby="over-time">
      <h2 id="over-time">Over time</h2>
      <TimeChart
        {...common}
        title={`${wordsOf(metric)}, with its 95 % interval`}
        lines={lines}
        band={[0, 2]}
        show={(value) => shown(metric, value)}
        height={280}
      />
      <p class={`faint small ${styles.note}`}>
        Hollow points are windows whose predictions have too few labels to be judged.
        {hasEstimate && (
          <>
            {" "}
            The estimate is learned from the labels up to <Time at={learnedUntil} />. {estimate?.caveat}
          </>
        )}
      </p>
      <TimeChart
        {...common}
        title="Share of predictions with a label"
        lines={shares}
        marks={[{ value: LEAST_SHARE, name: "enough to judge", tone: "faint", dash: [4, 4] }]}
        show={format.percent}
        height={130}
        fromZero
      />
    </section>
  );
}
