/** All figures of the selected window. */

import type { Coverage } from "../../api";
import { kindOf } from "../../contents/registered";
import * as format from "../../parts/format";
import type { Series } from "./series";
import styles from "./WindowPanel.module.css";

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
    <section class={styles.panel} aria-labelledby="window">
      <div class={styles.head}>
        <h2 id="window">
          Window <span class={styles.window}>{words}</span>
        </h2>
        <div class={styles.steps}>
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
      {kindOf([sample]).figures(sample, reference)}
      <CoverageLine coverage={sample.coverage} />
    </section>
  );
}

/** The coverage of the figures: which observations they include, and why others are left out. */
function CoverageLine({ coverage }: { coverage: Coverage }) {
  const { seen, profiled, sampled_out, dropped, undecodable, unnamed, suppressed } = coverage;
  const { lost_inputs, lost_outputs, lost_cells, unread_times } = coverage;
  const unnamedCells = Object.values(unnamed).reduce((total, count) => total + count, 0);
  const reasons = (counts: Record<string, number>, word: string): string[] =>
    Object.entries(counts)
      .filter(([, count]) => count > 0)
      .map(([reason, count]) => `${format.count(count)} ${word} (${reason.replaceAll("_", " ")})`);
  const lost = [
    ...(sampled_out ? [`${format.count(sampled_out)} sampled out`] : []),
    ...reasons(dropped, "dropped"),
    ...reasons(undecodable, "undecodable"),
    ...(suppressed ? [`${format.count(suppressed)} cells suppressed`] : []),
    ...reasons(lost_cells, "cells lost"),
  ];
  const sides = [...reasons(lost_inputs, "inputs lost"), ...reasons(lost_outputs, "outputs lost")];
  return (
    <p class={styles.coverage}>
      <span class="faint">Coverage </span>
      {format.count(profiled)} profiled of {format.count(seen)} seen
      {lost.length ? `: ${lost.join(", ")}` : ""}.
      {sides.length ? ` Profiled observations with missing parts: ${sides.join(", ")}.` : ""}
      {unread_times
        ? ` ${format.count(unread_times)} event times could not be read; the arrival times are used.`
        : ""}
      {unnamedCells ? ` ${format.count(unnamedCells)} cells are in columns without a summary.` : ""}
    </p>
  );
}
