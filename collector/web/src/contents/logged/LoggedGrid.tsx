import type { Logged } from "../../api";
import { FigureTable } from "../../parts/FigureTable";
import * as format from "../../parts/format";
import styles from "./LoggedGrid.module.css";

const MOST_ROWS = 200; // of a table on the page
const MOST_COLUMNS = 64;
const CLASSES = "A row for each true class, a column for each predicted class";

type Cell = string | number | null;

/** The rows of a table, a matrix or a confusion matrix, or the points of a line; nothing for others. */
export function LoggedGrid({ content, caption }: { content: Logged; caption?: string }) {
  const rows: readonly (readonly Cell[])[] | undefined = content.rows ?? content.points;
  if (!rows?.length) return null;
  const heads = content.columns ?? content.labels ?? (content.points ? ["x", "y"] : undefined);
  const isMatrix = content.labels !== undefined;
  const shown = rows.slice(0, MOST_ROWS);
  return (
    <div class={styles.scroll}>
      <FigureTable>
        <caption class={isMatrix || caption ? "faint small" : "hidden"}>
          {[caption, isMatrix && CLASSES].filter(Boolean).join(". ") || "Logged figures"}
        </caption>
        {heads && (
          <thead>
            <tr>
              {isMatrix && <td />}
              {heads.slice(0, MOST_COLUMNS).map((name) => (
                <th key={name} scope="col">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
        )}
        <tbody>
          {shown.map((row, at) => (
            <tr key={at}>
              {isMatrix && <th scope="row">{content.labels![at]}</th>}
              {row.slice(0, MOST_COLUMNS).map((cell, column) => (
                <td key={column} class={isNumber(cell) ? "right" : undefined}>
                  {shownCell(cell)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </FigureTable>
      {rows.length > shown.length && (
        <p class="faint small">
          This table shows the first {MOST_ROWS} of {format.count(rows.length)} rows.
        </p>
      )}
    </div>
  );
}

const isNumber = (cell: Cell): cell is number => typeof cell === "number";

function shownCell(cell: Cell): string {
  if (cell === null) return format.NOTHING;
  return isNumber(cell) ? format.number(cell) : cell;
}
