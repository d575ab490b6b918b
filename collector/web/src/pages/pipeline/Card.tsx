import type { PipelineNode } from "../../api";
import * as format from "../../parts/format";
import { StatusMark } from "../../parts/StatusMark";
import { entityLink } from "../../router";
import styles from "./Card.module.css";

/** One entity: the health of its data, and of its service in the last minutes with data. */
export function Card({ node, isFirst }: { node: PipelineNode; isFirst: boolean }) {
  const tone = node.open_episodes ? styles.alarmed : node.health === "NO_DATA" ? styles.silent : "";
  return (
    <a class={`${styles.card} ${tone}`} href={entityLink(node.name)} title={node.evidence || node.sentence || node.name}>
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
  const errors = node.error_ratio ? `${format.percent(node.error_ratio)} failed` : "none failed";
  return `${format.number(node.requests_per_second, 3)}/s · ${errors} · p99 ${format.latency(node.latency_p99_seconds)}`;
}
