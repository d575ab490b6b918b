import type { Entity } from "../../api";
import { Edges } from "../../parts/Edges";
import * as format from "../../parts/format";
import { ListTable } from "../../parts/ListTable";
import { StatusMark } from "../../parts/StatusMark";
import { Time } from "../../parts/Time";
import { entityLink } from "../../router";

/** A table of all entities with their health, episodes, observations and newest data. */
export function Entities({ entities, now }: { entities: readonly Entity[]; now: number }) {
  return (
    <ListTable>
      <caption class="hidden">Monitored entities and their health</caption>
      <thead>
        <tr>
          <th scope="col">Entity</th>
          <th scope="col">Kind</th>
          <th scope="col">Health</th>
          <th scope="col" class="right">Open episodes</th>
          <th scope="col" class="right">Observations</th>
          <th scope="col" class="right">Summaries</th>
          <th scope="col">Reference</th>
          <th scope="col">Reads from</th>
          <th scope="col">Owner</th>
          <th scope="col" class="right">Last data</th>
        </tr>
      </thead>
      <tbody>
        {entities.map((entity) => (
          <tr key={entity.name}>
            <th scope="row">
              <a href={entityLink(entity.name)}>{entity.name}</a>
              {entity.description && <div class="faint">{format.firstLine(entity.description)}</div>}
            </th>
            <td data-name="kind">{entity.kind}</td>
            <td>
              <StatusMark status={entity.health} />
            </td>
            <td class={entity.open_episodes ? "right" : "right faint"} data-name="open episodes">
              {format.count(entity.open_episodes)}
            </td>
            <td class="right" data-name="observations">{format.count(entity.observations)}</td>
            <td class="right" data-name="summaries">{format.count(entity.summaries)}</td>
            <td data-name="reference">
              {entity.references.length ? entity.references.join(", ") : <span class="faint">none</span>}
            </td>
            <td data-name="reads from">
              <Edges names={entity.reads_from} />
            </td>
            <td data-name="owner">{entity.owner || <span class="faint">none</span>}</td>
            <td class="right" data-name="last data">
              <Time at={entity.last_seen} now={now} />
            </td>
          </tr>
        ))}
      </tbody>
    </ListTable>
  );
}
