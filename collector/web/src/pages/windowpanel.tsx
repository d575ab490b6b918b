/** The selected window, in full. */

import type { Category, Coverage, Feature, Sample, Service } from "../api";
import { Bars } from "../charts/bars";
import { Distribution } from "../charts/distribution";
import * as format from "../format";
import { pairs } from "../histogram";
import type { Series } from "../series";

export function WindowPanel({
  series,
  selected,
  onSelect,
}: {
  series: Series;
  selected: number;
  onSelect: (index: number) => void;
}) {
  const { samples, reference } = series;
  const sample = samples[selected]!;
  const last = samples.length - 1;
  const words = format.window(sample.window_start, sample.window_end);
  return (
    <section class="panel" aria-labelledby="window">
      <div class="panel-head">
        <h2 id="window">
          Window <span class="window-name">{words}</span>
        </h2>
        <div class="steps">
          <button type="button" disabled={selected === 0} onClick={() => onSelect(selected - 1)}>
            Earlier
          </button>
          <button type="button" disabled={selected === last} onClick={() => onSelect(selected + 1)}>
            Later
          </button>
          <button type="button" disabled={selected === last} onClick={() => onSelect(last)}>
            Newest
          </button>
        </div>
        <input
          type="range"
          min={0}
          max={last}
          value={selected}
          disabled={last === 0}
          aria-label="Window"
          aria-valuetext={words}
          onInput={(event) => onSelect(Number(event.currentTarget.value))}
        />
      </div>
      {sample.service ? (
        <ServiceFigures service={sample.service} />
      ) : sample.feature ? (
        <FeatureFigures
          sample={sample}
          feature={sample.feature}
          reference={reference?.feature ?? null}
          referenceName={reference?.name ?? null}
        />
      ) : sample.scores ? (
        <p>
          {sample.scores.count} probabilities, mean {sample.scores.mean?.toPrecision(3) ?? "–"}.
          Predicted:{" "}
          {Object.entries(sample.scores.predicted)
            .map(([name, count]) => `${name} ${count}`)
            .join(", ")}
          . {sample.scores.outside} outside 0 to 1, {sample.scores.not_a_number} no numbers.
        </p>
      ) : (
        <p class="empty">Nothing was profiled in this window.</p>
      )}
      <CoverageLine coverage={sample.coverage} />
    </section>
  );
}

function FeatureFigures({
  sample,
  feature,
  reference,
  referenceName,
}: {
  sample: Sample;
  feature: Feature;
  reference: Feature | null;
  referenceName: string | null;
}) {
  const categories = feature.top.length > 0 || (reference?.top.length ?? 0) > 0;
  const numbers = feature.histogram !== null || feature.mean !== null;
  return (
    <>
      {reference && (
        <dl class="distances">
          <div>
            <dt>PSI</dt>
            <dd>
              {format.distance(sample.psi)} <span class="faint unit">nats</span>
            </dd>
          </div>
          <div>
            <dt>KS</dt>
            <dd>{format.distance(sample.ks)}</dd>
          </div>
          <div>
            <dt>values</dt>
            <dd>{format.count(feature.count)}</dd>
          </div>
          <div>
            <dt>missing</dt>
            <dd>{format.percent(feature.missing_ratio)}</dd>
          </div>
        </dl>
      )}
      {feature.histogram && (
        <Distribution
          current={feature.histogram}
          reference={reference?.histogram ?? null}
          referenceName={referenceName}
        />
      )}
      {categories && (
        <Bars
          rows={pairs(feature.top, reference ? reference.top : null)}
          reference={reference ? referenceName : null}
        />
      )}
      <Figures
        current={feature}
        reference={reference}
        referenceName={referenceName}
        numbers={numbers}
      />
    </>
  );
}

type Row = [name: string, of: (feature: Feature) => number | null | undefined, show: (v: number | null | undefined) => string];

const show4 = (value: number | null | undefined): string => format.number(value);

const NUMBERS: readonly Row[] = [
  ["maximum", (f) => f.maximum, show4],
  ["p99", (f) => f.quantiles["0.99"], show4],
  ["p95", (f) => f.quantiles["0.95"], show4],
  ["p75", (f) => f.quantiles["0.75"], show4],
  ["median", (f) => f.quantiles["0.5"], show4],
  ["p25", (f) => f.quantiles["0.25"], show4],
  ["p05", (f) => f.quantiles["0.05"], show4],
  ["p01", (f) => f.quantiles["0.01"], show4],
  ["minimum", (f) => f.minimum, show4],
  ["mean", (f) => f.mean, show4],
  ["standard deviation", (f) => f.standard_deviation, show4],
];

const COMMON: readonly Row[] = [
  ["values", (f) => f.count, format.count],
  ["missing", (f) => f.missing_ratio, format.percent],
  ["not finite", (f) => f.non_finite || null, format.count],
  ["distinct, about", (f) => f.distinct, format.count],
];

function Figures({
  current,
  reference,
  referenceName,
  numbers,
}: {
  current: Feature;
  reference: Feature | null;
  referenceName: string | null;
  numbers: boolean;
}) {
  const rows = (numbers ? [...NUMBERS, ...COMMON] : COMMON).filter(
    ([, of]) => of(current) != null || (reference !== null && of(reference) != null),
  );
  return (
    <table class="figures">
      <caption class="hidden">Figures of the window{reference ? " and the reference" : ""}</caption>
      <thead>
        <tr>
          <th scope="col">Figure</th>
          <th scope="col" class="right">This window</th>
          {reference && <th scope="col" class="right">{referenceName}</th>}
        </tr>
      </thead>
      <tbody>
        {rows.map(([name, of, show]) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td class="right">{show(of(current))}</td>
            {reference && <td class="right">{show(of(reference))}</td>}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function ServiceFigures({ service }: { service: Service }) {
  const total = Math.max(1, service.requests);
  const listed = (counts: Record<string, number>): Category[] =>
    Object.entries(counts).map(([value, count]) => ({ value, count, ratio: count / total }));
  const quantiles = Object.entries(service.latency_quantiles_seconds).sort(
    ([a], [b]) => Number(b) - Number(a),
  );
  return (
    <>
      <dl class="distances">
        <div>
          <dt>requests</dt>
          <dd>{format.count(service.requests)}</dd>
        </div>
        <div>
          <dt>per second</dt>
          <dd>{format.number(service.requests_per_second, 3)}</dd>
        </div>
        <div>
          <dt>errors</dt>
          <dd>{format.percent(service.error_ratio)}</dd>
        </div>
      </dl>
      <table class="figures">
        <caption>Latency</caption>
        <tbody>
          {quantiles.map(([q, seconds]) => (
            <tr key={q}>
              <th scope="row">{q === "0.5" ? "median" : `p${format.number(Number(q) * 100)}`}</th>
              <td class="right">{format.latency(seconds)}</td>
            </tr>
          ))}
          <tr>
            <th scope="row">mean</th>
            <td class="right">{format.latency(service.latency_mean_seconds)}</td>
          </tr>
        </tbody>
      </table>
      <h3>Statuses</h3>
      <Bars rows={pairs(listed(service.statuses), null)} reference={null} />
      {Object.keys(service.outcomes).length > 0 && (
        <>
          <h3>Outcomes</h3>
          <Bars rows={pairs(listed(service.outcomes), null)} reference={null} />
        </>
      )}
    </>
  );
}

/** How much of the traffic the figures speak for. */
function CoverageLine({ coverage }: { coverage: Coverage }) {
  const { seen, profiled, sampled_out, dropped, undecodable } = coverage;
  const reasons = (counts: Record<string, number>, word: string): string[] =>
    Object.entries(counts)
      .filter(([, count]) => count > 0)
      .map(([reason, count]) => `${format.count(count)} ${word} (${reason.replaceAll("_", " ")})`);
  const lost = [
    ...(sampled_out ? [`${format.count(sampled_out)} sampled out`] : []),
    ...reasons(dropped, "dropped"),
    ...reasons(undecodable, "undecodable"),
  ];
  return (
    <p class="coverage">
      <span class="faint">Coverage </span>
      {format.count(profiled)} profiled of {format.count(seen)} seen
      {lost.length ? `: ${lost.join(", ")}` : ""}.
    </p>
  );
}
