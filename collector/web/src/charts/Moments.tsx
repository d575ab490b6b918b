/** A timeline: what happened around a time, oldest first. */

import type { Moment } from "../api";
import { Time } from "../parts/Time";
import styles from "./Moments.module.css";

export function Moments({ moments }: { moments: readonly Moment[] }) {
  return (
    <ol class={styles.moments}>
      {moments.map(({ at, words, marked }) => (
        <li key={`${at} ${words}`} class={marked ? styles.marked : undefined}>
          <Time at={at} /> {words}
        </li>
      ))}
    </ol>
  );
}
