import type { Logged } from "../../api";
import { Fact, FactList } from "../../parts/FactList";
import { FigureTable } from "../../parts/FigureTable";
import * as format from "../../parts/format";
import { KeyFigure, KeyFigures } from "../KeyFigures";
import styles from "./LoggedFigures.module.css";

const MOST_ROWS = 200; // of a table on the page
const MOST_COLUMNS = 64;

type Cell = string | number | null;

/** A logged content of one window, with how its samples were merged. */
export function LoggedFigures({ content }: { content: Logged }) {
  return (
    <>
      {content.value !== undefined && (
        <KeyFigures>
          <KeyFigure name="value" value={format.number(content.value)} unit={content.unit} />
        </KeyFigures>
      )}
      {content.accuracy !== undefined && (
        <KeyFigures>
          <KeyFigure
            name="accuracy"
            value={content.accuracy === null ? format.NOTHING : format.percent(content.accuracy)}
          />
        </KeyFigures>
      )}
      {content.text !== undefined && <p class={styles.text}>{content.text}</p>}
      <Grid content={content} />
      <FactList>
        <Fact name="type">{content.type.replaceAll("_", " ")}</Fact>
        <Fact name="aggregation">{content.aggregation}</Fact>
        {content.unit && <Fact name="unit">{content.unit}</Fact>}
        {content.overflow !== undefined && (
          <Fact name="further points, merged">{format.number(content.overflow)}</Fact>
        )}
        <Fact name="samples">{format.count(content.count)}</Fact>
      </FactList>
    </>
  );
}

function Grid({ content }: { content: Logged }) {
  const rows: readonly (readonly Cell[])[] | undefined = content.rows ?? content.points;
  if (!rows?.length) return null;
  const heads = content.columns ?? content.labels ?? (content.points ? ["x", "y"] : undefined);
  const isMatrix = content.labels !== undefined;
  const shown = rows.slice(0, MOST_ROWS);
  return (
    <div class={styles.scroll}>
      <FigureTable>
        <caption class={isMatrix ? "faint small" : "hidden"}>
          {isMatrix ? "A row for each true class, a column for each predicted class" : "Logged figures"}
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
