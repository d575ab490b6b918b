import type { ComponentChildren } from "preact";
import styles from "./ListTable.module.css";

/** A table of items. On a narrow screen, each cell shows its `data-name`. */
export function ListTable({
  class: columns = "",
  children,
}: {
  class?: string | undefined; // class for the widths of the columns
  children: ComponentChildren;
}) {
  return <table class={`${styles.list} ${columns}`}>{children}</table>;
}
