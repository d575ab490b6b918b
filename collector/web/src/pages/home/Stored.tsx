import type { StoredLevel } from "../../api";
import * as format from "../../parts/format";
import { ListTable } from "../../parts/ListTable";

const NAMES: Record<StoredLevel["level"], string> = {
  shipped: "Samples as shipped",
  "5m": "Roll-ups of 5 minutes",
  "1h": "Roll-ups of an hour",
  "1d": "Roll-ups of a day",
};

/** A table of what the collector's store holds at each level. */
export function Stored({ levels }: { levels: readonly StoredLevel[] }) {
  return (
    <ListTable>
      <caption class="hidden">What the store holds, by level</caption>
      <thead>
        <tr>
          <th scope="col">Level</th>
          <th scope="col" class="right">Rows</th>
          <th scope="col" class="right">Size</th>
          <th scope="col" class="right">Waiting to be merged</th>
          <th scope="col" class="right">Arrived since</th>
        </tr>
      </thead>
      <tbody>
        {levels.map((each) => (
          <tr key={each.level}>
            <th scope="row">{NAMES[each.level]}</th>
            <td class="right" data-name="rows">{format.count(each.rows)}</td>
            <td class="right" data-name="size">{format.size(each.bytes)}</td>
            <td class={each.stale ? "right" : "right faint"} data-name="waiting">
              {format.count(each.stale)}
            </td>
            <td class="right" data-name="arrived since">
              {each.held_from === null ? "the start" : format.date(each.held_from)}
            </td>
          </tr>
        ))}
      </tbody>
    </ListTable>
  );
}
