import type { Performance } from "../../api";
import { Fact, FactList } from "../../parts/FactList";
import { FigureTable } from "../../parts/FigureTable";
import * as format from "../../parts/format";
import { shown, wordsOf } from "./metrics";
import styles from "./PerformanceFigures.module.css";

const MOST_CLASSES = 64; // of the confusion on the page

/** The metrics of one window with their intervals, and the counts behind them. */
export function PerformanceFigures({ content }: { content: Performance }) {
  return (
    <>
      <div class={styles.scroll}>
        <FigureTable>
          <caption class="faint small">Metrics with their 95 % intervals</caption>
          <thead>
            <tr>
              <td />
              <th scope="col">value</th>
              <th scope="col">from</th>
              <th scope="col">to</th>
              <th scope="col">rows</th>
            </tr>
          </thead>
          <tbody>
            {Object.entries(content.metrics).map(([name, { value, low, high, rows }]) => (
              <tr key={name}>
                <th scope="row">{wordsOf(name)}</th>
                <td class="right">{shown(name, value)}</td>
                <td class="right">{shown(name, low)}</td>
                <td class="right">{shown(name, high)}</td>
                <td class="right">{format.count(rows)}</td>
              </tr>
            ))}
          </tbody>
        </FigureTable>
      </div>
      <Confusion content={content} />
      <FactList>
        <Fact name="type">{content.type.replaceAll("_", " ")}</Fact>
        {content.positive != null && <Fact name="positive class">{content.positive}</Fact>}
        <Fact name="judged">{format.count(content.count)}</Fact>
        <Fact name="without ground truth">{format.count(content.without_truth)}</Fact>
        <Fact name="not usable">{format.count(content.unusable)}</Fact>
        {Object.entries(content.errors ?? {}).map(([name, value]) => (
          <Fact key={name} name={`error, ${name}`}>
            {format.number(value)}
          </Fact>
        ))}
      </FactList>
    </>
  );
}

function Confusion({ content }: { content: Performance }) {
  const classes = (content.classes ?? []).slice(0, MOST_CLASSES);
  if (!classes.length) return null;
  return (
    <div class={styles.scroll}>
      <FigureTable>
        <caption class="faint small">
          A row for each predicted class, a column for each true class
        </caption>
        <thead>
          <tr>
            <td />
            {classes.map((name) => (
              <th key={name} scope="col">
                {name || "none"}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {classes.map((name, predicted) => (
            <tr key={name}>
              <th scope="row">{name || "none"}</th>
              {classes.map((_, actual) => (
                <td key={actual} class="right">
                  {format.count(content.confusion?.[predicted]?.[actual])}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </FigureTable>
    </div>
  );
}
