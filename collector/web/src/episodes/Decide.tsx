/** What a person can decide about an open episode: each button opens a form that asks for a reason. */

import { useState } from "preact/hooks";
import * as api from "../api";
import type { Episode } from "../api";
import { Form } from "../parts/Form";
import styles from "./Decide.module.css";

const OWN_ALERTER = "nilometer"; // its episodes are about the monitoring itself and have no normal

type Kind = "acknowledge" | "silence" | "unsilence" | "new-normal";

const DURATIONS: readonly { seconds: number; name: string }[] = [
  { seconds: 3600, name: "1 hour" },
  { seconds: 4 * 3600, name: "4 hours" },
  { seconds: 86_400, name: "1 day" },
  { seconds: 7 * 86_400, name: "1 week" },
];

const WORDS: Record<Kind, { button: string; about: string }> = {
  acknowledge: { button: "Acknowledge", about: "Say that somebody takes care of it." },
  silence: {
    button: "Silence",
    about: "Send no message about the opening until the end. The closing is sent if the opening was.",
  },
  unsilence: { button: "End silence", about: "Send messages again from now on." },
  "new-normal": {
    button: "This is the new normal",
    about: "The part closes. The default alerter learns it anew from the start of the drift on; an alerter that somebody set is quiet until a window is within its limit.",
  },
};

export function Decide({ episode }: { episode: Episode }) {
  const [kind, setKind] = useState<Kind | null>(null);
  const kinds = kindsFor(episode);
  if (kinds.length === 0) return null;
  return (
    <div class={styles.decide}>
      <p class={styles.buttons}>
        {kinds.map((each) => (
          <button
            key={each}
            type="button"
            aria-expanded={kind === each}
            onClick={() => setKind(kind === each ? null : each)}
          >
            {WORDS[each].button}
          </button>
        ))}
      </p>
      {kind !== null && (
        <Ask key={kind} kind={kind} episode={episode} onDone={() => setKind(null)} />
      )}
    </div>
  );
}

/** The silence of a closed episode also holds for the next one, so it can be ended. */
function kindsFor(episode: Episode): Kind[] {
  const ofSilence = episode.silenced_until === null ? "silence" : "unsilence";
  if (episode.closed !== null) return ofSilence === "unsilence" ? [ofSilence] : [];
  const ofNormal: Kind[] = episode.alerter === OWN_ALERTER ? [] : ["new-normal"];
  return ["acknowledge", ofSilence, ...ofNormal];
}

function Ask({ kind, episode, onDone }: { kind: Kind; episode: Episode; onDone: () => void }) {
  const open = episode.parts.filter((part) => part.closed === null);
  const send = async (entered: FormData): Promise<string> => {
    await api.decide(kind, { entity: episode.entity, episode: episode.id }, body(kind, entered, open));
    onDone();
    return "";
  };
  return (
    <Form button={WORDS[kind].button} send={send}>
      <p class="faint">{WORDS[kind].about}</p>
      {kind === "new-normal" && open.length > 1 && (
        <label>
          Part{" "}
          <select name="part">
            {open.map((part, place) => (
              <option key={place} value={place}>
                {[part.summary, ...Object.entries(part.labels).map(([key, value]) => `${key}=${value}`)].join(" ")}
              </option>
            ))}
          </select>
        </label>
      )}
      {kind === "silence" && (
        <label>
          For{" "}
          <select name="seconds">
            {DURATIONS.map(({ seconds, name }) => (
              <option key={seconds} value={seconds}>
                {name}
              </option>
            ))}
          </select>
        </label>
      )}
      <label>
        Reason <input name="reason" required maxLength={500} />
      </label>
    </Form>
  );
}

function body(kind: Kind, entered: FormData, open: Episode["parts"]): Record<string, unknown> {
  const reason = String(entered.get("reason"));
  if (kind === "silence") {
    return { reason, until: Math.floor(api.now()) + Number(entered.get("seconds")) };
  }
  if (kind === "new-normal") {
    const part = open[Number(entered.get("part") ?? 0)];
    return part === undefined ? { reason } : { reason, summary: part.summary, labels: part.labels };
  }
  return { reason };
}
