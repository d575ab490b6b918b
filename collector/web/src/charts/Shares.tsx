/** The shares of intervals before and since: a bar for now, a line for before, the named ones marked. */

import type { Share } from "../api";
import * as format from "../parts/format";
import styles from "./Shares.module.css";

const HEIGHT = 96;

export function Shares({ shares }: { shares: readonly Share[] }) {
  const most = Math.max(0.001, ...shares.flatMap(({ before, now }) => [before, now]));
  const top = (share: number): number => HEIGHT * (1 - share / most);
  const first = shares[0];
  const last = shares[shares.length - 1];
  if (!first || !last) return null;
  return (
    <figure class={styles.shares}>
      <svg
        viewBox={`0 0 ${shares.length} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={described(shares)}
      >
        {shares.map((each, at) => (
          <g key={each.name}>
            <title>{`${each.name}: ${format.percent(each.before)} before, ${format.percent(each.now)} now`}</title>
            <rect
              x={at + 0.1}
              width={0.8}
              y={top(each.now)}
              height={HEIGHT - top(each.now)}
              class={each.marked ? styles.marked : styles.now}
            />
            <path d={`M${at + 0.05} ${top(each.before)}h0.9`} class={styles.before} />
          </g>
        ))}
      </svg>
      <figcaption class={`faint small ${styles.ends}`}>
        <span>{first.name}</span>
        <span>bar: since the onset, line: before</span>
        <span>{last.name}</span>
      </figcaption>
    </figure>
  );
}

/** The marked shares in words, for readers without the picture. */
export const described = (shares: readonly Share[]): string =>
  shares
    .filter(({ marked }) => marked)
    .map(({ name, before, now }) => `${name}: ${format.percent(before)} before, ${format.percent(now)} now`)
    .join("; ");
