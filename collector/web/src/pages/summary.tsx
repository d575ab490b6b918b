/** One summary: the selected window against the reference, and every window over time. */

import { useMemo } from "preact/hooks";
import * as api from "../api";
import type { Shade } from "../charts/time";
import { EpisodeList } from "../episodes";
import * as format from "../format";
import { covers } from "../histogram";
import { usePolled } from "../hooks";
import { Await, Choices, HealthMark, Time } from "../parts";
import { setOptions } from "../router";
import { load, RANGES, type Series } from "../series";
import { OverTime } from "./overtime";
import { WindowPanel } from "./windowpanel";

const NO_REFERENCE = "-";

interface Facts {
  summary: api.Summary;
  references: string[];
  alerters: api.Alerter[];
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
  const key = JSON.stringify([range, wanted, labels]);
  const cache = useMemo<{ key: string; series: Series | null }>(() => ({ key: "", series: null }), []);
  const polled = usePolled(key, async (signal): Promise<Facts> => {
    const [entities, summaries, alerters, episodes] = await Promise.all([
      api.entities(signal),
      api.summaries(entityName, signal),
      api.alerters(entityName, signal),
      api.episodes(entityName, signal),
    ]);
    const entity = entities.find((each) => each.name === entityName);
    const summary = summaries.find((each) => each.name === summaryName);
    if (!entity || !summary) {
      throw new api.ApiProblem(404, "No such summary", `${entityName} has no ${summaryName}.`);
    }
    const references = summary.role === "service" ? [] : entity.references;
    const reference = wanted === NO_REFERENCE ? undefined : (wanted ?? references[0]);
    const lastSeen = summary.last_seen ?? entity.last_seen ?? Date.now() / 1000;
    // Windows are heavy: they are asked for again only when there is something new in them.
    const state = JSON.stringify([key, reference, summary.observations, summary.last_seen]);
    if (cache.key !== state || cache.series === null) {
      const question = { entity, summary: summaryName, lastSeen, range, reference, labels };
      cache.series = await load(question, signal);
      cache.key = state;
    }
    return {
      summary,
      references,
      series: cache.series,
      alerters: alerters.filter((each) => covers(each.summary, summaryName)),
      episodes: episodes.filter((each) => each.summary === summaryName),
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
  const { summary, series, alerters, episodes, options } = facts;
  const { samples } = series;
  const now = Date.now() / 1000;
  const at = options.get("window");
  const found = at === null ? -1 : samples.findIndex((each) => String(each.window_start) === at);
  const selected = found >= 0 ? found : samples.length - 1;
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
    if (sample) setOptions({ window: index === samples.length - 1 ? null : String(sample.window_start) });
  };
  return (
    <>
      <dl class="facts head">
        <div>
          <dt>health</dt>
          <dd>
            <HealthMark health={summary.health} />
          </dd>
        </div>
        <div>
          <dt>type</dt>
          <dd>{summary.data_type}</dd>
        </div>
        <div>
          <dt>observations</dt>
          <dd>{format.count(summary.observations)}</dd>
        </div>
        <div>
          <dt>last data</dt>
          <dd>
            <Time at={summary.last_seen} now={now} />
          </dd>
        </div>
        {series.reference && (
          <div>
            <dt>reference</dt>
            <dd>
              {series.reference.name}, {format.count(series.reference.rows)} rows{" "}
              <code class="faint" title={series.reference.digest}>{series.reference.digest.slice(0, 8)}</code>
            </dd>
          </div>
        )}
      </dl>
      <Controls {...facts} />
      {series.refused && (
        <p class="faint small" role="status">
          {series.refused.name} is more than the collector answers at once: shown is {series.range.name}.
        </p>
      )}
      {samples.length === 0 ? (
        <p class="empty">No window in this range{options.has("label") ? " with these labels" : ""}.</p>
      ) : (
        <div class="bench">
          <WindowPanel series={series} selected={selected} onSelect={select} />
          <OverTime
            series={series}
            alerters={alerters}
            shades={shades}
            selected={selected}
            onSelect={select}
          />
        </div>
      )}
      <section aria-labelledby="episodes">
        <h2 id="episodes">Episodes</h2>
        {episodes.length ? (
          <EpisodeList episodes={episodes.slice(0, 20)} place="summary" now={now} />
        ) : (
          <p class="empty">None.</p>
        )}
      </section>
      <Rules alerters={alerters} />
    </>
  );
}

function Controls({
  summary,
  references,
  series,
  options,
}: Facts & { options: URLSearchParams }) {
  const chosen = options.getAll("label");
  const toggle = (label: string): void => {
    const rest = chosen.filter((each) => each !== label);
    setOptions({ label: rest.length === chosen.length ? [...chosen, label] : rest });
  };
  const range = options.get("range");
  const reference = options.get("reference") ?? references[0] ?? NO_REFERENCE;
  return (
    <form class="controls" onSubmit={(event) => event.preventDefault()}>
      <Choices
        legend="Range, up to the newest data"
        name="range"
        options={RANGES}
        chosen={range === null || range === series.asked ? series.range.id : range}
        onChoose={(range) => setOptions({ range, window: null })}
      />
      {references.length > 0 && (
        <Choices
          legend="Against"
          name="reference"
          options={[
            ...references.map((name) => ({ id: name, name })),
            { id: NO_REFERENCE, name: "nothing" },
          ]}
          chosen={reference}
          onChoose={(id) => setOptions({ reference: id })}
        />
      )}
      {Object.entries(summary.labels).map(([label, values]) => (
        <fieldset key={label} class="choices">
          <legend>{label}</legend>
          <div>
            {values.slice(0, 12).map((value) => {
              const id = `${label}:${value}`;
              return (
                <label key={value} class={chosen.includes(id) ? "chosen" : ""}>
                  <input type="checkbox" checked={chosen.includes(id)} onChange={() => toggle(id)} />
                  {value}
                </label>
              );
            })}
          </div>
        </fieldset>
      ))}
    </form>
  );
}

function Rules({ alerters }: { alerters: readonly api.Alerter[] }) {
  return (
    <section aria-labelledby="alerters">
      <h2 id="alerters">Alerters</h2>
      {alerters.length ? (
        <table class="list">
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Opens when</th>
              <th scope="col">Needs</th>
              <th scope="col">Severity</th>
            </tr>
          </thead>
          <tbody>
            {alerters.map((alerter) => (
              <tr key={alerter.name}>
                <th scope="row">{alerter.name}</th>
                <td data-name="opens when">{rule(alerter)}</td>
                <td data-name="needs">
                  {format.count(alerter.minimum_count)} observations,{" "}
                  {alerter.windows_to_open === 1 ? "1 window" : `${alerter.windows_to_open} windows in a row`}
                </td>
                <td data-name="severity">{alerter.severity}</td>
              </tr>
            ))}
          </tbody>
        </table>
      ) : (
        <p class="empty">No alerter covers this summary.</p>
      )}
    </section>
  );
}

function rule(alerter: api.Alerter): string {
  const { kind, comparator, statistic } = alerter;
  const show = (value: number): string => format.measured(comparator || statistic, value);
  switch (kind) {
    case "REFERENCE":
      return `${format.named(comparator)} against ${alerter.reference} > ${show(alerter.threshold)}`;
    case "FIXED":
      return `${format.named(statistic)} ${alerter.comparison} ${show(alerter.threshold)}`;
    case "RANGE":
      return `${format.named(statistic)} outside ${show(alerter.low)} to ${show(alerter.high)}`;
    default: {
      const parameters = Object.entries(alerter.parameters ?? {});
      return [kind, ...parameters.map(([key, value]) => `${key} = ${value}`)].join(", ");
    }
  }
}
