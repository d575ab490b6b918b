import type { ComponentChildren } from "preact";
import styles from "./ListTable.module.css";

/** A table with a thing a row. On a narrow screen a cell is led by its `data-name`. */
export function ListTable({
  class: columns = "",
  children,
}: {
  class?: string | undefined; // how wide the columns are
  children: ComponentChildren;
}) {
  return <table class={`${styles.list} ${columns}`}>{children}</table>;
}
