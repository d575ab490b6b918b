import type { Revision } from "../../api";
import * as format from "../../parts/format";
import { ListTable } from "../../parts/ListTable";
import { Time } from "../../parts/Time";
import { fieldLine, titleOf } from "./titles";

/** A table of changes, newest first: who changed what, when, and how the change arrived. */
export function Revisions({ revisions, now }: { revisions: readonly Revision[]; now: number }) {
  return (
    <ListTable>
      <caption class="hidden">Changes of declared objects</caption>
      <thead>
        <tr>
          <th scope="col">Revision</th>
          <th scope="col">Time</th>
          <th scope="col">Author</th>
          <th scope="col">Origin</th>
          <th scope="col">Changes</th>
        </tr>
      </thead>
      <tbody>
        {revisions.map((each) => (
          <tr key={each.revision}>
            <th scope="row">{format.count(each.revision)}</th>
            <td data-name="time">
              <Time at={each.made} now={now} />
            </td>
            <td data-name="author">{each.author}</td>
            <td data-name="origin">{each.origin}</td>
            <td data-name="changes">
              {each.reason && <div>Reason: {each.reason}</div>}
              {each.changes.map((change) => (
                <div key={`${change.kind}\n${change.entity}\n${change.name}`}>
                  {titleOf(change)}: {change.action}
                  {change.action === "changed" &&
                    change.fields.map((one) => (
                      <div key={one.field} class="faint">
                        {fieldLine(one)}
                      </div>
                    ))}
                </div>
              ))}
            </td>
          </tr>
        ))}
      </tbody>
    </ListTable>
  );
}
