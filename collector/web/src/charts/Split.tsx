/** The parts of a change as bars to the left and right of zero. */

import type { Share } from "../api";
import * as format from "../parts/format";
import styles from "./Split.module.css";

export function Split({ parts }: { parts: readonly Share[] }) {
  const most = Math.max(1e-12, ...parts.map(({ now }) => Math.abs(now)));
  return (
    <table class={styles.split}>
      <caption class="hidden">Parts of the change of the mean prediction</caption>
      <tbody>
        {parts.map(({ name, now, marked }) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td class={styles.bar}>
              <svg viewBox="-100 0 200 12" preserveAspectRatio="none" height="14" aria-hidden="true">
                <rect
                  x={Math.min(now / most, 0) * 100}
                  y="2"
                  width={(Math.abs(now) / most) * 100}
                  height="8"
                  class={marked ? styles.marked : styles.part}
                />
                <path d="M0 0v12" class={styles.zero} />
              </svg>
            </td>
            <td class="right">{format.number(now)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
