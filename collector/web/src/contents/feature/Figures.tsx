/** All figures of a feature, of the window and of the reference side by side. */

import type { Feature } from "../../api";
import { FigureTable } from "../../parts/FigureTable";
import * as format from "../../parts/format";
import styles from "./Figures.module.css";

type Row = [name: string, of: (feature: Feature) => number | null | undefined, show: (v: number | null | undefined) => string];

const show4 = (value: number | null | undefined): string => format.number(value);

const NUMBERS: readonly Row[] = [
  ["maximum", (f) => f.maximum, show4],
  ["p99", (f) => f.quantiles["0.99"], show4],
  ["p95", (f) => f.quantiles["0.95"], show4],
  ["p75", (f) => f.quantiles["0.75"], show4],
  ["median", (f) => f.quantiles["0.5"], show4],
  ["p25", (f) => f.quantiles["0.25"], show4],
  ["p05", (f) => f.quantiles["0.05"], show4],
  ["p01", (f) => f.quantiles["0.01"], show4],
  ["minimum", (f) => f.minimum, show4],
  ["mean", (f) => f.mean, show4],
  ["standard deviation", (f) => f.standard_deviation, show4],
];

const COMMON: readonly Row[] = [
  ["values", (f) => f.count, format.count],
  ["missing", (f) => f.missing_ratio, format.percent],
  ["not finite", (f) => f.non_finite || null, format.count],
  ["distinct, about", (f) => f.distinct, format.count],
];

export function Figures({
  current,
  reference,
  referenceName,
  numbers,
}: {
  current: Feature;
  reference: Feature | null;
  referenceName: string | null;
  numbers: boolean;
}) {
  const rows = (numbers ? [...NUMBERS, ...COMMON] : COMMON).filter(
    ([, of]) => of(current) != null || (reference !== null && of(reference) != null),
  );
  return (
    <FigureTable class={styles.figures}>
      <caption class="hidden">Figures of the window{reference ? " and the reference" : ""}</caption>
      <thead>
        <tr>
          <th scope="col">Figure</th>
          <th scope="col" class="right">This window</th>
          {reference && <th scope="col" class="right">{referenceName}</th>}
        </tr>
      </thead>
      <tbody>
        {rows.map(([name, of, show]) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td class="right">{show(of(current))}</td>
            {reference && <td class="right">{show(of(reference))}</td>}
          </tr>
        ))}
      </tbody>
    </FigureTable>
  );
}
