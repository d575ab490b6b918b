/** Shares of categories: a bar for the selected window, and a mark for the reference. */

import * as format from "../parts/format";
import type { Pair } from "./categories";
import styles from "./Bars.module.css";

type Row = Pair & { marked?: boolean }; // a marked row is named in the text beside it

export function Bars({ rows, reference }: { rows: readonly Row[]; reference: string | null }) {
  const most = Math.max(0.01, ...rows.flatMap((row) => [row.current ?? 0, row.reference ?? 0]));
  const share = (value: number | null): string => (value === null ? "not listed" : format.percent(value));
  return (
    <table class={styles.bars}>
      <caption class="hidden">Share of values that are not missing, by category</caption>
      <thead>
        <tr>
          <th scope="col">Value</th>
          <th scope="col">
            <span class="hidden">Bar</span>
          </th>
          <th scope="col" class="right">Window</th>
          {reference && (
            <>
              <th scope="col" class="right">{reference}</th>
              <th scope="col" class="right" title="percentage points">Change</th>
            </>
          )}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.value}>
            <th scope="row">
              <code title={row.value}>{row.value === "" ? "(empty)" : row.value}</code>
            </th>
            <td class={styles.bar}>
              <svg viewBox="0 0 100 12" preserveAspectRatio="none" height="16" aria-hidden="true">
                <rect x="0" y="2" width={((row.current ?? 0) / most) * 100} height="8" class={row.marked ? styles.marked : styles.current} />
                {row.reference !== null && (
                  <path d={`M${(row.reference / most) * 100} 0v12`} class={styles.reference} />
                )}
              </svg>
            </td>
            <td class="right">{share(row.current)}</td>
            {reference && (
              <>
                <td class="right">{share(row.reference)}</td>
                <td class="right">{change(row)}</td>
              </>
            )}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function change({ current, reference }: Pair): string {
  if (current === null || reference === null) return format.NOTHING;
  const points = (current - reference) * 100;
  const text = Math.abs(points).toFixed(1);
  return text === "0.0" ? "0.0" : `${points > 0 ? "+" : "−"}${text}`;
}
