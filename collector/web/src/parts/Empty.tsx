import type { ComponentChildren } from "preact";
import styles from "./Empty.module.css";

/** A line in the place of what is not there; with *status* it is read aloud when it appears. */
export function Empty({ status, children }: { status?: boolean; children: ComponentChildren }) {
  return (
    <p class={styles.empty} role={status ? "status" : undefined}>
      {children}
    </p>
  );
}
