import type { ComponentChildren } from "preact";
import styles from "./FigureTable.module.css";

/** A table of figures, set tight; a row with `aria-current` is marked. */
export function FigureTable({
  class: place = "",
  children,
}: {
  class?: string | undefined; // how the table sits in its surroundings
  children: ComponentChildren;
}) {
  return <table class={`${styles.figures} ${place}`}>{children}</table>;
}
