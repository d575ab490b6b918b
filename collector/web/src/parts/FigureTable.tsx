import type { ComponentChildren } from "preact";
import styles from "./FigureTable.module.css";

/** A compact table of figures; a row with `aria-current` is marked. */
export function FigureTable({
  class: place = "",
  children,
}: {
  class?: string | undefined; // class for the layout around the table
  children: ComponentChildren;
}) {
  return <table class={`${styles.figures} ${place}`}>{children}</table>;
}
