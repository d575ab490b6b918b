import type { Health, PipelineNode } from "../../api";
import * as format from "../../parts/format";
import { StatusMark } from "../../parts/StatusMark";
import { entityLink } from "../../router";
import styles from "./Card.module.css";

const TONES: Record<Health, string | undefined> = {
  OK: "",
  ALERTING: styles.alarmed,
  LEARNING: styles.learning,
  NO_DATA: styles.silent,
  PAUSED: styles.silent,
  NOT_WATCHED: styles.silent,
};

/** One entity: the health of its data, and of its service in the last minutes with data; or its name. */
export function Card({ node, isFirst, isDense }: { node: PipelineNode; isFirst: boolean; isDense: boolean }) {
  const tone = node.open_episodes ? styles.alarmed : TONES[node.health];
  const link = {
    href: entityLink(node.name),
    title: [node.name, node.evidence || node.sentence].filter(Boolean).join(": "),
  };
  if (isDense) {
    return (
      <a class={`${styles.card} ${styles.dense} ${isFirst ? styles.strong : ""} ${tone}`} {...link}>
        <span class={styles.name}>{node.name}</span>
        <span class={styles.mark}>
          <StatusMark status={node.health} />
        </span>
      </a>
    );
  }
  return (
    <a class={`${styles.card} ${tone}`} {...link}>
      <span class={styles.head}>
        <strong class={styles.name}>{node.name}</strong>
        {isFirst && <span class={styles.first}>moved first</span>}
      </span>
      <span class={styles.health}>
        <StatusMark status={node.health} />
        <span class="faint nowrap">{data(node)}</span>
      </span>
      <span class={styles.figures}>{figures(node)}</span>
    </a>
  );
}

function data(node: PipelineNode): string {
  if (node.open_episodes) return `${node.open_episodes} open ${node.open_episodes > 1 ? "episodes" : "episode"}`;
  const profiled = node.profiled_ratio;
  if (profiled !== null && profiled < 0.995) return `${format.percent(profiled)} profiled`;
  return node.kind;
}

function figures(node: PipelineNode): string {
  if (node.requests_per_second === null) return "no requests";
  const rate = `${format.number(node.requests_per_second, 2)}/s`;
  const latency = `p99 ${format.latency(node.latency_p99_seconds)}`;
  const failed = node.error_ratio ? ` · ${format.percent(node.error_ratio)} failed` : "";
  return `${rate} · ${latency}${failed}`;
}
