import { useState } from "preact/hooks";
import * as api from "../../api";
import { Form } from "../../parts/Form";
import { neededBy } from "./words";

/** What compares with a current reference; if nothing does, a button that opens the form to remove it. */
export function Remove({ version, alerters }: { version: api.Reference; alerters: readonly api.Alerter[] }) {
  const [opened, setOpened] = useState(false);
  const needed = neededBy(version, alerters);
  const send = async (entered: FormData): Promise<string> => {
    await api.removeReference(version, String(entered.get("reason")));
    return "";
  };
  if (needed !== null) return <p role="note">{needed}</p>;
  return (
    <>
      <button type="button" aria-expanded={opened} onClick={() => setOpened(!opened)}>
        Delete the reference {version.name}
      </button>
      {opened && (
        <Form button="Delete it" send={send}>
          <p class="faint">
            No alerter compares with it. Agents do not get it any more. Its versions stay, so that you can make
            one of them current again.
          </p>
          <label>
            Reason <input name="reason" required maxLength={500} />
          </label>
        </Form>
      )}
    </>
  );
}
