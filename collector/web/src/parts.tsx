/** Small parts that every page shares. */

import type { ComponentChildren, JSX } from "preact";
import type { ApiProblem, Health } from "./api";
import * as format from "./format";
import type { Polled } from "./hooks";

const HEALTH: Record<Health, { word: string; shape: JSX.Element }> = {
  OK: { word: "OK", shape: <circle cx="6" cy="6" r="4.25" class="solid" /> },
  ALERTING: { word: "Alerting", shape: <path d="M6 .8 11.6 11H.4Z" class="solid" /> },
  LEARNING: {
    word: "Learning",
    shape: (
      <>
        <circle cx="6" cy="6" r="4" class="outline" />
        <path d="M6 2a4 4 0 0 0 0 8Z" class="solid" />
      </>
    ),
  },
  NO_DATA: { word: "No data", shape: <path d="m2 2 8 8m0-8-8 8" class="outline" /> },
  PAUSED: { word: "Paused", shape: <path d="M2.5 1.5h2.6v9H2.5zm4.4 0h2.6v9H6.9z" class="solid" /> },
};

/** A health as a word, a shape and a colour, so that no one of them has to be seen. */
export function HealthMark({ health }: { health: Health }) {
  const { word, shape } = HEALTH[health];
  return (
    <span class={`health health-${health.toLowerCase().replace("_", "-")}`}>
      <svg viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">
        {shape}
      </svg>
      {word}
    </span>
  );
}

export function Time({ at, now }: { at: number | null; now?: number }) {
  if (at === null) return <span class="faint">{format.NOTHING}</span>;
  const age = now === undefined ? "" : format.ago(at, now);
  return (
    <time dateTime={new Date(at * 1000).toISOString()} class="nowrap">
      {format.time(at)}
      {age && <span class="faint age"> {age}</span>}
    </time>
  );
}

export function Labels({ labels }: { labels: Record<string, string> }) {
  const entries = Object.entries(labels);
  if (!entries.length) return null;
  return (
    <span class="labels">
      {entries.map(([key, value]) => (
        <code key={key}>
          {key}={value}
        </code>
      ))}
    </span>
  );
}

function Problem({ problem, at }: { problem: ApiProblem; at: number | null }) {
  return (
    <div class="notice" role="alert">
      <svg viewBox="0 0 12 12" width="14" height="14" aria-hidden="true">
        <path d="m2 2 8 8m0-8-8 8" class="outline" />
      </svg>
      <div>
        <strong>{problem.title}</strong>
        {problem.status > 0 && <span class="faint"> (status {problem.status})</span>}
        {problem.detail && <p>{problem.detail}</p>}
        {at !== null && <p class="faint">What is shown is from {format.time(Math.floor(at))}.</p>}
      </div>
    </div>
  );
}

/** An answer, or why there is none: loading and failing look the same on every page. */
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
        : !polled.problem && (
            <p class="loading" role="status">
              Reading…
            </p>
          )}
    </>
  );
}

export interface Choice {
  id: string;
  name: string;
}

/** One of a few, as real radio buttons. */
export function Choices({
  legend,
  name,
  options,
  chosen,
  onChoose,
}: {
  legend: string;
  name: string;
  options: readonly Choice[];
  chosen: string;
  onChoose: (id: string) => void;
}) {
  return (
    <fieldset class="choices">
      <legend>{legend}</legend>
      <div>
        {options.map((option) => (
          <label key={option.id} class={option.id === chosen ? "chosen" : ""}>
            <input
              type="radio"
              name={name}
              checked={option.id === chosen}
              onChange={() => onChoose(option.id)}
            />
            {option.name}
          </label>
        ))}
      </div>
    </fieldset>
  );
}
