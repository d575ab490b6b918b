import type { ComponentChildren } from "preact";
import styles from "./Legend.module.css";

/** What the lines of a chart are: a list of a sample, a name and perhaps a value in bold. */
export function Legend({ children }: { children: ComponentChildren }) {
  return <ul class={styles.legend}>{children}</ul>;
}
