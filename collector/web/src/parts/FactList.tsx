import type { ComponentChildren } from "preact";
import styles from "./FactList.module.css";

/** Facts in a line, each with a name and a value; with *head* in the size of running text. */
export function FactList({ head, children }: { head?: boolean; children: ComponentChildren }) {
  return <dl class={head ? `${styles.facts} ${styles.head}` : styles.facts}>{children}</dl>;
}

export function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
