/** A request for approval of an action: a form with a reason that approves or declines it. */

import { useState } from "preact/hooks";
import * as api from "../api";
import type { Run } from "../api";
import { refresh } from "../parts/polled";
import { Time } from "../parts/Time";
import styles from "./Decide.module.css";

const CURES: Record<Run["cure"], string> = {
  retrain: "retrain the model",
  rollback: "roll back",
  fall_back: "fall back to another version",
  ask_human: "take care of it",
};

export function Approve({ run }: { run: Run }) {
  const [problem, setProblem] = useState<string | null>(null);
  const [waits, setWaits] = useState(false);
  const send = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const reason = String(new FormData(event.currentTarget as HTMLFormElement).get("reason"));
    const verb = (event.submitter as HTMLButtonElement | null)?.value === "decline" ? "decline" : "approve";
    setWaits(true);
    try {
      await api.judge(verb, { entity: run.entity, run: run.run }, reason);
      refresh();
    } catch (error) {
      setProblem(error instanceof api.ApiProblem ? error.message : String(error));
      setWaits(false);
    }
  };
  const who = run.approvers.length > 0 ? `${run.approvers.join(", ")} may decide` : "The link of the message decides";
  return (
    <form
      class={styles.form}
      aria-label={`Approval of ${run.action}`}
      onSubmit={(event) => void send(event)}
    >
      <p>
        The action <strong>{run.action}</strong> asks to {CURES[run.cure]}.{" "}
        <span class="faint">
          {who}
          {run.expires !== null && (
            <>
              {" "}
              until <Time at={run.expires} />
            </>
          )}
          .
        </span>
      </p>
      <label>
        Reason <input name="reason" required maxLength={500} />
      </label>
      <p class={styles.buttons}>
        <button name="decision" value="approve" disabled={waits}>
          Approve
        </button>
        <button name="decision" value="decline" disabled={waits}>
          Decline
        </button>
      </p>
      {problem !== null && <p role="alert">{problem}</p>}
    </form>
  );
}
