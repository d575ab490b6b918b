/** Radio buttons and checkboxes that look like a row of buttons. */

import type { ComponentChildren } from "preact";
import styles from "./Choices.module.css";

export interface Choice {
  id: string;
  name: string;
}

/** A choice of one option. */
export function OneOf({
  legend,
  name,
  options,
  chosen,
  onChoose,
}: {
  legend: string;
  name: string; // name of the group of radio buttons
  options: readonly Choice[];
  chosen: string;
  onChoose: (id: string) => void;
}) {
  return (
    <Field legend={legend}>
      {options.map((option) => (
        <label key={option.id} class={styles.option}>
          <input
            type="radio"
            name={name}
            checked={option.id === chosen}
            onChange={() => onChoose(option.id)}
          />
          {option.name}
        </label>
      ))}
    </Field>
  );
}

/** A choice of any number of options. */
export function AnyOf({
  legend,
  options,
  chosen,
  onToggle,
}: {
  legend: string;
  options: readonly Choice[];
  chosen: readonly string[];
  onToggle: (id: string) => void;
}) {
  return (
    <Field legend={legend}>
      {options.map((option) => (
        <label key={option.id} class={styles.option}>
          <input
            type="checkbox"
            checked={chosen.includes(option.id)}
            onChange={() => onToggle(option.id)}
          />
          {option.name}
        </label>
      ))}
    </Field>
  );
}

function Field({ legend, children }: { legend: string; children: ComponentChildren }) {
  return (
    <fieldset class={styles.choices}>
      <legend>{legend}</legend>
      <div class={styles.options}>{children}</div>
    </fieldset>
  );
}
