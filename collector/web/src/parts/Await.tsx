import type { ComponentChildren } from "preact";
import type { ApiProblem } from "../api";
import { Empty } from "./Empty";
import * as format from "./format";
import type { Polled } from "./polled";
import styles from "./Await.module.css";

/** Shows a response, a loading text or an error, in the same way on every page. */
export function Await<T>({
  polled,
  children,
}: {
  polled: Polled<T>;
  children: (value: T) => ComponentChildren;
}) {
  return (
    <>
      {polled.problem && <Problem problem={polled.problem} at={polled.at} />}
      {polled.value !== null
        ? children(polled.value)
        : !polled.problem && <Empty status>Loading…</Empty>}
    </>
  );
}

function Problem({ problem, at }: { problem: ApiProblem; at: number | null }) {
  return (
    <div class={styles.notice} role="alert">
      <svg class={styles.cross} viewBox="0 0 12 12" width="14" height="14" aria-hidden="true">
        <path d="m2 2 8 8m0-8-8 8" />
      </svg>
      <div>
        <strong>{problem.title}</strong>
        {problem.status > 0 && <span class="faint"> (status {problem.status})</span>}
        {problem.detail && <p>{problem.detail}</p>}
        {at !== null && <p class="faint">The page shows data from {format.time(Math.floor(at))}.</p>}
      </div>
    </div>
  );
}
