/** Charts and a table of all windows in the time range. */

import { useMemo } from "preact/hooks";
import type { Alerter } from "../../api";
import type { Shade, Windows } from "../../charts/timeline";
import { TimeChart } from "../../charts/TimeChart";
import { kindOf } from "../../contents/registered";
import { FigureTable } from "../../parts/FigureTable";
import * as format from "../../parts/format";
import { limitsOf } from "./limits";
import type { Series } from "./series";
import styles from "./OverTime.module.css";

const TABLE_ROWS = 200;

interface Properties {
  series: Series;
  merged: string; // labels whose values are merged
  alerters: readonly Alerter[];
  shades: readonly Shade[];
  selected: number;
  onSelect: (index: number) => void;
}

export function OverTime({ series, merged, alerters, shades, selected, onSelect }: Properties) {
  const { samples, reference } = series;
  const windows = useMemo<Windows>(
    () => ({
      starts: samples.map((each) => each.window_start),
      ends: samples.map((each) => each.window_end),
    }),
    [samples],
  );
  const charts = useMemo(() => kindOf(samples).charts(series), [series]);
  const limits = useMemo(() => limitsOf(alerters, reference?.name), [alerters, reference]);
  const rows = samples.map((sample, i) => ({ sample, i })).slice(-TABLE_ROWS).reverse();
  return (
    <section aria-labelledby="over-time">
      <h2 id="over-time">
        Over time
        <span class={`faint ${styles.extent}`}>
          {format.count(samples.length)} windows
          {series.step ? `, merged to ${format.duration(series.step)}` : ""}
          {shades.length > 0 && (
            <>
              {" · "}
              <span class={styles.shade} aria-hidden="true" /> episode
            </>
          )}
        </span>
      </h2>
      {merged && <p class="faint small">Charts and table merge the traffic of {merged}.</p>}
      {charts.map(({ statistics, marks = [], ...chart }) => (
        <TimeChart
          key={chart.title}
          {...chart}
          marks={[...marks, ...statistics.flatMap((each) => limits.get(each) ?? [])]}
          windows={windows}
          shades={shades}
          selected={selected}
          onSelect={onSelect}
        />
      ))}
      <details>
        <summary>Windows as a table</summary>
        <div class={styles.scroll}>
          <FigureTable>
            <thead>
              <tr>
                <th scope="col">Window</th>
                {charts.flatMap(({ lines }) =>
                  lines.map((line) => <th scope="col" class="right" key={line.name}>{line.name}</th>),
                )}
              </tr>
            </thead>
            <tbody>
              {rows.map(({ sample, i }) => (
                <tr key={sample.window_start} aria-current={i === selected ? "true" : undefined}>
                  <th scope="row">
                    <button type="button" class={styles.window} onClick={() => onSelect(i)}>
                      {format.window(sample.window_start, sample.window_end)}
                    </button>
                  </th>
                  {charts.flatMap(({ lines, show }) =>
                    lines.map((line) => (
                      <td class="right" key={line.name}>{show(line.values[i])}</td>
                    )),
                  )}
                </tr>
              ))}
            </tbody>
          </FigureTable>
        </div>
        {samples.length > TABLE_ROWS && <p class="faint small">The table shows the newest {TABLE_ROWS} windows.</p>}
      </details>
    </section>
  );
}
