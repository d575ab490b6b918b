import * as api from "../../api";
import { Form } from "../../parts/Form";
import * as format from "../../parts/format";
import { setOptions } from "../../router";

const DAY = 86_400;
const SPANS: readonly { seconds: number; name: string }[] = [
  { seconds: DAY, name: "last day" },
  { seconds: 7 * DAY, name: "last 7 days" },
  { seconds: 28 * DAY, name: "last 28 days" },
];

/** A form that freezes stored windows to a version, which becomes current when somebody approves it. */
export function Freeze({ entity }: { entity: string }) {
  const send = async (entered: FormData): Promise<string> => {
    const { reference } = await api.freezeWindows(
      entity,
      String(entered.get("name")),
      Number(entered.get("seconds")),
    );
    setOptions({ name: reference.name, version: reference.digest, other: null });
    return `Version ${reference.digest} has ${format.count(reference.rows)} rows.`;
  };
  return (
    <section aria-labelledby="freeze">
      <h2 id="freeze">Freeze stored windows</h2>
      <Form button="Freeze" send={send}>
        <label>
          Name <input name="name" required maxLength={32} />
        </label>
        <label>
          Windows{" "}
          <select name="seconds">
            {SPANS.map(({ seconds, name }) => (
              <option key={seconds} value={seconds} selected={seconds === 7 * DAY}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <p class="faint">
          The windows of all agents and labels are merged to a proposal. Nothing is compared with it before
          it is approved.
        </p>
      </Form>
    </section>
  );
}
