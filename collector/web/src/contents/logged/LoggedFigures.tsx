import type { Logged } from "../../api";
import { Fact, FactList } from "../../parts/FactList";
import * as format from "../../parts/format";
import { KeyFigure, KeyFigures } from "../KeyFigures";
import { LoggedGrid } from "./LoggedGrid";
import styles from "./LoggedFigures.module.css";

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
      <LoggedGrid content={content} />
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
