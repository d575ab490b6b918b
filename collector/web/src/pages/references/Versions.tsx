import * as api from "../../api";
import * as format from "../../parts/format";
import { ListTable } from "../../parts/ListTable";
import { Time } from "../../parts/Time";
import { referencesLink } from "../../router";
import { stateOf } from "./words";

/** A table of all versions, newest first; each leads to what is known of it. */
export function Versions({
  versions,
  chosen,
}: {
  versions: readonly api.Reference[];
  chosen: api.Reference | undefined;
}) {
  return (
    <ListTable>
      <caption class="hidden">Versions of references</caption>
      <thead>
        <tr>
          <th scope="col">Name</th>
          <th scope="col">Version</th>
          <th scope="col">State</th>
          <th scope="col">Rows</th>
          <th scope="col">Source</th>
          <th scope="col">Made</th>
        </tr>
      </thead>
      <tbody>
        {versions.map((each) => (
          <tr key={`${each.name}\n${each.digest}`}>
            <th scope="row">{each.name}</th>
            <td data-name="version">
              <a
                href={referencesLink(each.entity, each)}
                aria-current={each === chosen ? "true" : undefined}
              >
                {each.digest}
              </a>
            </td>
            <td data-name="state">{stateOf(each, versions, api.now())}</td>
            <td data-name="rows">{format.count(each.rows)}</td>
            <td data-name="source">{each.source}</td>
            <td data-name="made">
              <Time at={each.created} now={api.now()} />
            </td>
          </tr>
        ))}
      </tbody>
    </ListTable>
  );
}
