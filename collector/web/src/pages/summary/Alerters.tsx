import type { Alerter } from "../../api";
import { conditionOf } from "../../conditions/registered";
import { Empty } from "../../parts/Empty";
import * as format from "../../parts/format";
import { ListTable } from "../../parts/ListTable";

/** The alerters that watch a summary, each with its condition. */
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
                <td data-name="opens when">{conditionOf(alerter.kind).words(alerter)}</td>
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
        <Empty>No alerter watches this summary.</Empty>
      )}
    </section>
  );
}
