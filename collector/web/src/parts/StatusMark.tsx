import type { JSX } from "preact";
import type { Health } from "../api";
import styles from "./StatusMark.module.css";

export type Status = Health | "CLOSED"; // CLOSED: an episode that has ended

interface Look {
  word: string;
  tone: string | undefined;
  shape: JSX.Element;
}

const LOOKS: Record<Status, Look> = {
  OK: {
    word: "OK",
    tone: styles.ok,
    shape: <circle cx="6" cy="6" r="4.25" class={styles.solid} />,
  },
  ALERTING: {
    word: "Alerting",
    tone: styles.alerting,
    shape: <path d="M6 .8 11.6 11H.4Z" class={styles.solid} />,
  },
  LEARNING: {
    word: "Learning",
    tone: styles.learning,
    shape: (
      <>
        <circle cx="6" cy="6" r="4" class={styles.outline} />
        <path d="M6 2a4 4 0 0 0 0 8Z" class={styles.solid} />
      </>
    ),
  },
  NO_DATA: {
    word: "No data",
    tone: styles.quiet,
    shape: <path d="m2 2 8 8m0-8-8 8" class={styles.outline} />,
  },
  PAUSED: {
    word: "Paused",
    tone: styles.quiet,
    shape: <path d="M2.5 1.5h2.6v9H2.5zm4.4 0h2.6v9H6.9z" class={styles.solid} />,
  },
  NOT_WATCHED: {
    word: "Not watched",
    tone: styles.quiet,
    shape: <path d="M1 6h10" class={styles.outline} />,
  },
  CLOSED: {
    word: "Closed",
    tone: styles.quiet,
    shape: <path d="M6 1.6 10.8 10.5H1.2Z" class={styles.outline} />,
  },
};

/** A status as a word, a shape and a colour, so that it can be read without seeing colours. */
export function StatusMark({ status }: { status: Status }) {
  const { word, tone, shape } = LOOKS[status];
  return (
    <span class={`${styles.status} ${tone}`}>
      <svg viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">
        {shape}
      </svg>
      {word}
    </span>
  );
}
