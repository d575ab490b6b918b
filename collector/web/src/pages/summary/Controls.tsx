/** The choice of time range, reference and labels, which the URL of the page keeps. */

import type { Summary } from "../../api";
import { AnyOf, OneOf } from "../../parts/Choices";
import { setOptions } from "../../router";
import { RANGES, type Series } from "./series";
import styles from "./Controls.module.css";

export const NO_REFERENCE = "-";
const MOST_VALUES = 12; // values of one label to choose from

export function Controls({
  summary,
  references,
  series,
  options,
}: {
  summary: Summary;
  references: readonly string[];
  series: Series;
  options: URLSearchParams;
}) {
  const chosen = options.getAll("label");
  const toggle = (label: string): void => {
    const rest = chosen.filter((each) => each !== label);
    setOptions({ label: rest.length === chosen.length ? [...chosen, label] : rest });
  };
  const range = options.get("range");
  const reference = options.get("reference") ?? references[0] ?? NO_REFERENCE;
  return (
    <form class={styles.controls} onSubmit={(event) => event.preventDefault()}>
      <OneOf
        legend="Time range, up to the newest data"
        name="range"
        options={RANGES}
        chosen={range === null || range === series.asked ? series.range.id : range}
        onChoose={(range) => setOptions({ range, window: null, time: null })}
      />
      {references.length > 0 && (
        <OneOf
          legend="Compare with"
          name="reference"
          options={[
            ...references.map((name) => ({ id: name, name })),
            { id: NO_REFERENCE, name: "nothing" },
          ]}
          chosen={reference}
          onChoose={(id) => setOptions({ reference: id })}
        />
      )}
      {Object.entries(summary.labels).map(([label, values]) => (
        <AnyOf
          key={label}
          legend={label}
          options={values.slice(0, MOST_VALUES).map((value) => ({ id: `${label}:${value}`, name: value }))}
          chosen={chosen}
          onToggle={toggle}
        />
      ))}
    </form>
  );
}
