/** The likely causes of an episode, likeliest first, each with its picture; and what cannot be told. */

import type { Cause, Causes as Answer, Episode } from "../api";
import { Bars } from "../charts/Bars";
import { Moments } from "../charts/Moments";
import { Shares } from "../charts/Shares";
import { Split } from "../charts/Split";
import { Empty } from "../parts/Empty";
import { Labels } from "../parts/Labels";
import { entityLink } from "../router";
import { link } from "./link";
import styles from "./Causes.module.css";

const FEW = 12; // shares that are shown with their names

const KINDS: Record<Cause["kind"], string> = {
  feature: "Feature",
  segment: "Segment",
  stage: "Stage",
  shift: "Mix or behaviour",
  change: "Around the onset",
};

export function Causes({ answer, episode }: { answer: Answer; episode: Episode }) {
  return (
    <>
      {!answer.causes.length && <Empty>The stored figures do not tell a cause.</Empty>}
      <ol class={styles.causes}>
        {answer.causes.map((cause) => (
          <li key={cause.sentence}>
            <p class={styles.sentence}>
              <span class="faint">{KINDS[cause.kind]}: </span>
              {cause.sentence} <Labels labels={cause.labels} /> <Where cause={cause} episode={episode} />
            </p>
            <Picture cause={cause} />
          </li>
        ))}
      </ol>
      {answer.untold.length > 0 && (
        <ul class={`faint small ${styles.untold}`}>
          {answer.untold.map(({ sentence }) => (
            <li key={sentence}>{sentence}</li>
          ))}
        </ul>
      )}
    </>
  );
}

/** A link to the summary or the other entity that a cause is about. */
function Where({ cause, episode }: { cause: Cause; episode: Episode }) {
  if (cause.entity) return <a href={entityLink(cause.entity)}>{cause.entity}</a>;
  if (!cause.summary) return null;
  return <a href={link({ ...episode, summary: cause.summary, labels: cause.labels })}>{cause.summary}</a>;
}

function Picture({ cause }: { cause: Cause }) {
  if (cause.moments.length) return <Moments moments={cause.moments} />;
  if (!cause.shares.length) return null;
  if (cause.kind === "shift") return <Split parts={cause.shares} />;
  if (cause.shares.length > FEW && cause.kind === "feature") return <Shares shares={cause.shares} />;
  const rows = cause.shares.map(({ name, before, now, marked }) => ({
    value: name,
    current: now,
    reference: before,
    marked,
  }));
  return <Bars rows={rows} reference="before" />;
}
