import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { ApiProblem } from "../api";
import { refresh } from "./polled";
import styles from "./Form.module.css";

/**
 * A form with one button that sends what is entered, and shows the answer or the problem.
 *
 * *send* returns the text to show, empty for none. Then the page asks the collector anew.
 */
export function Form({
  button,
  send,
  children,
}: {
  button: string;
  send: (entered: FormData) => Promise<string>;
  children: ComponentChildren;
}) {
  const [said, setSaid] = useState<{ problem: boolean; text: string } | null>(null);
  const [waits, setWaits] = useState(false);
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const entered = new FormData(event.currentTarget as HTMLFormElement);
    setWaits(true);
    setSaid(null);
    try {
      setSaid({ problem: false, text: await send(entered) });
      refresh();
    } catch (error) {
      setSaid({ problem: true, text: error instanceof ApiProblem ? error.message : String(error) });
    }
    setWaits(false);
  };
  return (
    <form class={styles.form} onSubmit={(event) => void submit(event)}>
      {children}
      <button disabled={waits}>{button}</button>
      {said?.text && <p role={said.problem ? "alert" : "status"}>{said.text}</p>}
    </form>
  );
}
