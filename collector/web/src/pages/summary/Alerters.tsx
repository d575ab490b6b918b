import type { Alerter } from "../../api";
import { Empty } from "../../parts/Empty";
import * as format from "../../parts/format";
import { ListTable } from "../../parts/ListTable";

/** The alerters that cover a summary, each with the rule by which it opens. */
export function Alerters({ alerters }: { alerters: readonly Alerter[] }) {
  return (
    <section aria-labelledby="alerters">
      <h2 id="alerters">Alerters</h2>
      {alerters.length ? (
        <ListTable>
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Opens when</th>
              <th scope="col">Needs</th>
              <th scope="col">Severity</th>
            </tr>
          </thead>
          <tbody>
            {alerters.map((alerter) => (
              <tr key={alerter.name}>
                <th scope="row">{alerter.name}</th>
                <td data-name="opens when">{rule(alerter)}</td>
                <td data-name="needs">
                  {format.count(alerter.minimum_count)} observations,{" "}
                  {alerter.windows_to_open === 1 ? "1 window" : `${alerter.windows_to_open} windows in a row`}
                </td>
                <td data-name="severity">{alerter.severity}</td>
              </tr>
            ))}
          </tbody>
        </ListTable>
      ) : (
        <Empty>No alerter covers this summary.</Empty>
      )}
    </section>
  );
}

function rule(alerter: Alerter): string {
  const { kind, comparator, statistic } = alerter;
  const show = (value: number): string => format.measured(comparator || statistic, value);
  switch (kind) {
    case "REFERENCE":
      return `${format.named(comparator)} against ${alerter.reference} > ${show(alerter.threshold)}`;
    case "FIXED":
      return `${format.named(statistic)} ${alerter.comparison} ${show(alerter.threshold)}`;
    case "RANGE":
      return `${format.named(statistic)} outside ${show(alerter.low)} to ${show(alerter.high)}`;
    default: {
      const parameters = Object.entries(alerter.parameters ?? {});
      return [kind, ...parameters.map(([key, value]) => `${key} = ${value}`)].join(", ");
    }
  }
}
