import * as format from "./format";
import styles from "./Time.module.css";

/** A time in UTC, and its age if *now* is given. Both are Unix seconds. */
export function Time({ at, now }: { at: number | null; now?: number }) {
  if (at === null) return <span class="faint">{format.NOTHING}</span>;
  const age = now === undefined ? "" : format.ago(at, now);
  return (
    <time dateTime={new Date(at * 1000).toISOString()} class="nowrap">
      {format.time(at)}
      {age && <span class={`faint ${styles.age}`}> {age}</span>}
    </time>
  );
}
