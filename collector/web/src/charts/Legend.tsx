import type { ComponentChildren } from "preact";
import styles from "./Legend.module.css";

/** The legend of a chart: for each line a sample of it, its name, and optionally its value. */
export function Legend({ children }: { children: ComponentChildren }) {
  return <ul class={styles.legend}>{children}</ul>;
}
