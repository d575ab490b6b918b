import * as api from "../../api";
import * as format from "../../parts/format";
import { Form } from "../../parts/Form";
import { verbOf } from "./words";

/** A form that makes a version the current one of its name, with the time at which it expires. */
export function Choose({ version, state }: { version: api.Reference; state: string }) {
  const send = async (entered: FormData): Promise<string> => {
    await api.chooseReference(version, String(entered.get("expires")) || null);
    return "";
  };
  return (
    <Form button={verbOf(state)} send={send}>
      <label>
        Expires{" "}
        <input
          type="date"
          name="expires"
          defaultValue={version.expires === null ? "" : format.date(version.expires)}
        />
      </label>
      <p class="faint">
        From this day on (UTC), no window is compared with the reference. Without a day, it never expires.
        Agents and alerters use the current version.
      </p>
    </Form>
  );
}
