import type { Coverage, Extension } from "../../api";
import { Empty } from "../../parts/Empty";
import { Fact, FactList } from "../../parts/FactList";
import { FigureTable } from "../../parts/FigureTable";
import * as format from "../../parts/format";
import { type Figure, figuresOf, unitOf } from "./figures";
import { wordsOf } from "./numbers";
import styles from "./UnknownFigures.module.css";

const MOST_FIGURES = 200;

/** The kind of a content and all its fields. */
export function UnknownFigures({ extension }: { extension: Extension }) {
  const figures = figuresOf(extension.content);
  return (
    <>
      <FactList>
        <Fact name="kind of content">{extension.kind}</Fact>
      </FactList>
      <FigureTable class={styles.figures}>
        <caption class="hidden">Figures of the window</caption>
        <tbody>
          {figures.slice(0, MOST_FIGURES).map((figure, i) => (
            <tr key={i}>
              <th scope="row">{wordsOf(figure.path)}</th>
              <td class="right">{shown(figure)}</td>
            </tr>
          ))}
        </tbody>
      </FigureTable>
      {figures.length > MOST_FIGURES && (
        <p class="faint small">
          This table shows the first {MOST_FIGURES} of {format.count(figures.length)} figures.
        </p>
      )}
    </>
  );
}

/** Why a window shows no figures. */
export function NoFigures({ coverage }: { coverage: Coverage }) {
  return (
    <Empty>
      {coverage.profiled
        ? "The collector does not show this kind of content."
        : "Nothing was profiled in this window."}
    </Empty>
  );
}

function shown({ path, value }: Figure): string {
  if (value === null) return format.NOTHING;
  return typeof value === "number" ? format.measured(unitOf(path), value) : String(value);
}
