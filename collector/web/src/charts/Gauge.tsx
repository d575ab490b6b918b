/** A value and its threshold on a scale, drawn like a water gauge. */

import * as format from "../parts/format";
import { ticks } from "./ticks";
import styles from "./Gauge.module.css";

const WIDTH = 220;

export function Gauge({
  what,
  value,
  threshold,
}: {
  what: string;
  value: number;
  threshold: number;
}) {
  const low = Math.min(0, value, threshold);
  const high = Math.max(value, threshold, low + 1e-9) * 1.12;
  const x = (each: number): number => ((each - low) / (high - low)) * (WIDTH - 2) + 1;
  const words = `${format.named(what)} ${format.measured(what, value)}, threshold ${format.measured(what, threshold)}`;
  return (
    <figure class={styles.gauge}>
      <svg viewBox={`0 0 ${WIDTH} 24`} width={WIDTH} height="24" role="img" aria-label={words}>
        {ticks(low, high, 20).map((each) => (
          <path key={each} d={`M${x(each).toFixed(1)} 23v-5`} class={styles.tick} />
        ))}
        {ticks(low, high, 4).map((each) => (
          <path key={each} d={`M${x(each).toFixed(1)} 23v-9`} class={styles.tick} />
        ))}
        <path d={`M1 23.5h${WIDTH - 2}`} class={styles.tick} />
        <path d={`M${x(Math.min(0, value)).toFixed(1)} 9H${x(value).toFixed(1)}`} class={styles.level} />
        <path d={`M${x(threshold).toFixed(1)} 23V1`} class={styles.limit} />
      </svg>
      <figcaption>
        <span>
          {format.named(what)} <b>{format.measured(what, value)}</b>
        </span>
        <span class="faint">threshold {format.measured(what, threshold)}</span>
      </figcaption>
    </figure>
  );
}
