/** The histogram of one window and of the reference, on the same edges. */

import { useState } from "preact/hooks";
import type { Histogram } from "../api";
import { OneOf } from "../parts/Choices";
import { FigureTable } from "../parts/FigureTable";
import * as format from "../parts/format";
import { inBins, interval, inUnits, outline } from "./bins";
import { rebin, sameEdges, shares } from "./histogram";
import { Legend } from "./Legend";
import { ticks } from "./ticks";
import { useWidth } from "./width";
import styles from "./Distribution.module.css";

const HEIGHT = 270;
const MARGIN = { left: 50, right: 28, top: 12, bottom: 42 };

type Scale = "bins" | "density";

export function Distribution({
  current,
  reference,
  referenceName,
}: {
  current: Histogram;
  reference: Histogram | null;
  referenceName: string | null;
}) {
  const [wanted, setScale] = useState<Scale>("bins");
  // Without a reference, shares in bins of equal weight would be a flat line.
  const scale = reference ? wanted : "density";
  const [ref, width] = useWidth<HTMLDivElement>();
  const edges = (reference ?? current).edges;
  const exact = !reference || sameEdges(current, reference);
  const now = exact ? current : rebin(current, edges);
  const currentShares = shares(now.counts);
  const referenceShares = reference && shares(reference.counts);
  return (
    <div>
      <div class={styles.head}>
        <Legend>
          <li>
            <svg width="22" height="10" aria-hidden="true">
              <rect x="0" y="1" width="22" height="9" class={styles.currentFill} />
              <path d="M0 1.5h22" class={styles.currentLine} />
            </svg>
            this window
          </li>
          {reference && (
            <li>
              <svg width="22" height="10" aria-hidden="true">
                <path d="M0 5.5h22" class={styles.referenceLine} />
              </svg>
              {referenceName}
            </li>
          )}
        </Legend>
        {reference && (
          <OneOf
            legend="Scale"
            name="scale"
            options={[
              { id: "bins", name: "Share per bin" },
              { id: "density", name: "Density" },
            ]}
            chosen={scale}
            onChoose={(id) => setScale(id as Scale)}
          />
        )}
      </div>
      <div ref={ref}>
        {width > 0 && (
          <Plot
            current={now}
            reference={reference}
            referenceName={referenceName}
            scale={scale}
            width={width}
          />
        )}
      </div>
      {!exact && (
        <p class="faint small">
          This window has other bin edges than {referenceName}, so its bars are estimates.
        </p>
      )}
      <details>
        <summary>Bins as a table</summary>
        <FigureTable class={styles.table}>
          <thead>
            <tr>
              <th scope="col">Bin</th>
              <th scope="col" class="right">This window</th>
              {reference && <th scope="col" class="right">{referenceName}</th>}
            </tr>
          </thead>
          <tbody>
            {currentShares.map((share, i) => (
              <tr key={i}>
                <th scope="row">{interval(edges, i)}</th>
                <td class="right">{format.percent(share)}</td>
                {referenceShares && <td class="right">{format.percent(referenceShares[i])}</td>}
              </tr>
            ))}
          </tbody>
        </FigureTable>
      </details>
    </div>
  );
}

function Plot({
  current,
  reference,
  referenceName,
  scale,
  width,
}: {
  current: Histogram;
  reference: Histogram | null; // on the same edges
  referenceName: string | null;
  scale: Scale;
  width: number;
}) {
  const inner = Math.max(0, width - MARGIN.left - MARGIN.right);
  const drawn = (scale === "bins" ? inBins : inUnits)(current, reference, inner);
  const bottom = HEIGHT - MARGIN.bottom;
  const top = Math.max(1e-12, ...[...drawn.current, ...(drawn.reference ?? [])].map((each) => each ?? 0));
  const y = (value: number): number => bottom - (value / (top * 1.06)) * (bottom - MARGIN.top);
  const yText = scale === "bins" ? format.percent : (value: number) => format.number(value, 2);
  const currentShares = shares(current.counts);
  const referenceShares = reference && shares(reference.counts);
  return (
    <svg
      class={styles.plot}
      width={width}
      height={HEIGHT}
      role="img"
      aria-label={`Histogram of ${current.counts.length} bins${reference ? ` against ${referenceName}` : ""}; the table below has the numbers.`}
    >
      <g transform={`translate(${MARGIN.left} 0)`}>
        {ticks(0, top * 1.06, 4).map((each) => (
          <g key={each}>
            <path d={`M0 ${Math.round(y(each)) + 0.5}h${inner}`} class={styles.grid} />
            <text x="-8" y={y(each) + 4} text-anchor="end" class={styles.axisText}>{yText(each)}</text>
          </g>
        ))}
        {drawn.current.map((value, i) => {
          const [left, right] = [drawn.left[i]!, drawn.right[i]!];
          if (value === null || right <= left) return null;
          return (
            <g key={i}>
              <rect
                x={left}
                y={y(value)}
                width={Math.max(1, right - left - 1)}
                height={bottom - y(value)}
                class={styles.currentFill}
              />
              <path d={`M${left} ${y(value)}H${Math.max(left + 1, right - 1)}`} class={styles.currentLine} />
            </g>
          );
        })}
        {drawn.reference && <path d={outline(drawn, y, bottom)} class={styles.referenceLine} />}
        {drawn.current.map((_, i) => (
          <rect
            key={i}
            x={drawn.left[i]!}
            y={MARGIN.top}
            width={Math.max(0, drawn.right[i]! - drawn.left[i]!)}
            height={bottom - MARGIN.top}
            class={styles.touch}
          >
            <title>
              {`${interval(current.edges, i)}: ${format.percent(currentShares[i])}`}
              {referenceShares && ` here, ${format.percent(referenceShares[i])} in ${referenceName}`}
            </title>
          </rect>
        ))}
        <path d={`M0 ${bottom + 0.5}h${inner}`} class={styles.axis} />
        {drawn.labels.map(({ at, text }) => (
          <g key={at}>
            <path d={`M${Math.round(at) + 0.5} ${bottom}v5`} class={styles.axis} />
            <text x={at} y={bottom + 18} text-anchor="middle" class={styles.axisText}>{text}</text>
          </g>
        ))}
        <text x={inner / 2} y={HEIGHT - 6} text-anchor="middle" class={styles.axisText}>
          {drawn.note}
        </text>
      </g>
    </svg>
  );
}
