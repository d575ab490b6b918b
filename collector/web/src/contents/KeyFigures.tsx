import type { ComponentChildren } from "preact";
import styles from "./KeyFigures.module.css";

/** The most important figures of a window, in large type. */
export function KeyFigures({ children }: { children: ComponentChildren }) {
  return <dl class={styles.figures}>{children}</dl>;
}

export function KeyFigure({ name, value, unit }: { name: string; value: string; unit?: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        {value} {unit && <span class={`faint ${styles.unit}`}>{unit}</span>}
      </dd>
    </div>
  );
}
