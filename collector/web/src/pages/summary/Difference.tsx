/** The difference of the selected window of a logged summary from another side. */

import * as api from "../../api";
import { KeyFigure, KeyFigures } from "../../contents/KeyFigures";
import { LoggedGrid } from "../../contents/logged/LoggedGrid";
import { Await } from "../../parts/Await";
import { OneOf } from "../../parts/Choices";
import { Empty } from "../../parts/Empty";
import * as format from "../../parts/format";
import { usePolled } from "../../parts/polled";
import { setOptions } from "../../router";
import type { Series } from "./series";
import { sides, type Side } from "./sides";
import styles from "./Difference.module.css";

export function Difference({
  summary,
  series,
  selected,
  options,
}: {
  summary: api.Summary;
  series: Series;
  selected: number;
  options: URLSearchParams;
}) {
  const sample = series.samples[selected]!;
  const all = sides(series.samples, selected, summary.labels);
  const side = all.find(({ id }) => id === options.get("other")) ?? all[0];
  return (
    <section aria-labelledby="difference">
      <h2 id="difference">Difference</h2>
      {side ? (
        <>
          <OneOf
            legend="Compare the window with"
            name="other"
            options={all}
            chosen={side.id}
            onChoose={(other) => setOptions({ other })}
          />
          <Compared
            key={`${side.id} ${sample.window_start}`}
            summary={summary}
            sample={sample}
            labels={options.getAll("label")}
            side={side}
          />
        </>
      ) : (
        <Empty>There is no earlier window.</Empty>
      )}
    </section>
  );
}

function Compared({
  summary,
  sample,
  labels,
  side,
}: {
  summary: api.Summary;
  sample: api.Sample;
  labels: readonly string[];
  side: Side;
}) {
  const question = {
    entity: summary.entity,
    summary: summary.name,
    start: sample.window_start,
    end: sample.window_end,
    label: labels,
    ...side.query,
  };
  const key = JSON.stringify([question, summary.observations]);
  const polled = usePolled(key, (signal) => api.difference(question, signal));
  return <Await polled={polled}>{(found) => <Figures found={found} />}</Await>;
}

function Figures({ found }: { found: api.Difference }) {
  const { distance, why, change } = found;
  if (distance === null) return <Empty status>No difference: {why}.</Empty>;
  const what = change?.labels ? "Change of shares" : "Change";
  return (
    <div class={styles.figures}>
      <KeyFigures>
        <KeyFigure name="distance, 0 to 1" value={format.number(distance)} />
        {change?.value !== undefined && (
          <KeyFigure name="change" value={format.number(change.value)} unit={change.unit} />
        )}
      </KeyFigures>
      {change && <LoggedGrid content={change} caption={`${what}: the window less the other side`} />}
    </div>
  );
}
