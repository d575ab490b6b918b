import type { ComponentChildren } from "preact";
import styles from "./Empty.module.css";

/** A text in place of missing content; with *status*, screen readers announce it. */
export function Empty({ status, children }: { status?: boolean; children: ComponentChildren }) {
  return (
    <p class={styles.empty} role={status ? "status" : undefined}>
      {children}
    </p>
  );
}
