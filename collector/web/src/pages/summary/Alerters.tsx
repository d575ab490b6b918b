import type { Alerter, AlerterStatus } from "../../api";
import { conditionOf } from "../../conditions/registered";
import { Empty } from "../../parts/Empty";
import * as format from "../../parts/format";
import { Labels } from "../../parts/Labels";
import { ListTable } from "../../parts/ListTable";
import { StatusMark } from "../../parts/StatusMark";
import { needs, severities } from "./words";

/** The alerters that watch a summary, each with its condition and its statuses. */
export function Alerters({
  alerters,
  statuses,
}: {
  alerters: readonly Alerter[];
  statuses: readonly AlerterStatus[]; // of this summary
}) {
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
              <th scope="col">Status</th>
            </tr>
          </thead>
          <tbody>
            {alerters.map((alerter) => (
              <tr key={alerter.name}>
                <th scope="row">{alerter.name}</th>
                <td data-name="opens when">{conditionOf(alerter.kind).words(alerter)}</td>
                <td data-name="needs">{needs(alerter)}</td>
                <td data-name="severity">{severities(alerter)}</td>
                <td data-name="status">
                  {statuses
                    .filter((each) => each.alerter === alerter.name)
                    .map((each) => (
                      <div key={JSON.stringify(each.labels)}>
                        <StatusMark status={each.status} /> <Labels labels={each.labels} />{" "}
                        <span class="faint small">
                          {each.sentence}
                          {each.judged !== null && `, ${format.time(each.judged)}`}
                        </span>
                      </div>
                    ))}
                </td>
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
