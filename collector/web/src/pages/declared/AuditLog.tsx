import type { Audit } from "../../api";
import * as format from "../../parts/format";
import { ListTable } from "../../parts/ListTable";
import { Time } from "../../parts/Time";

/** A table of changes and refused requests, newest first: who, when, from where, and what. */
export function AuditLog({ entries, now }: { entries: readonly Audit[]; now: number }) {
  return (
    <ListTable>
      <caption class="hidden">Audit log</caption>
      <thead>
        <tr>
          <th scope="col">Time</th>
          <th scope="col">Who</th>
          <th scope="col">Address</th>
          <th scope="col">Request</th>
          <th scope="col">Outcome</th>
        </tr>
      </thead>
      <tbody>
        {entries.map((each, at) => (
          <tr key={at}>
            <td data-name="time">
              <Time at={each.at} now={now} />
            </td>
            <td data-name="who">
              {each.author || "an unknown token"}
              {each.author !== each.principal && <div class="faint">by {each.principal}</div>}
              {each.workspace && <div class="faint">workspace {each.workspace}</div>}
            </td>
            <td data-name="address">{each.address}</td>
            <td data-name="request">
              {each.operation}
              <div class="faint">{[each.entity, each.name].filter(Boolean).join(", ")}</div>
            </td>
            <td data-name="outcome">
              {each.outcome}
              {each.times > 1 && `, ${format.count(each.times)} times`}
            </td>
          </tr>
        ))}
      </tbody>
    </ListTable>
  );
}
