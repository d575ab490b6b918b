/** A chart over windows: lines, an optional band, dashed marks, and shaded episodes. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { useDark } from "./dark";
import { Legend } from "./Legend";
import { type Live, optionsOf } from "./plot";
import { gapped, type Properties } from "./timeline";
import styles from "./TimeChart.module.css";

export function TimeChart(properties: Properties) {
  const { windows, lines, selected, show, title, height = 150 } = properties;
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [hovered, setHovered] = useState<number | null>(null);
  const dark = useDark();
  const { x, index } = useMemo(() => gapped(windows), [windows]);
  const live = useRef<Live>({ properties, index });
  live.current = { properties, index };
  const data = useMemo<uPlot.AlignedData>(
    () => [
      x,
      ...lines.map((line) => index.map((i) => (i === null ? null : (line.values[i] ?? null)))),
    ],
    [x, index, lines],
  );
  const shape = `${dark} ${height} ${lines.map((line) => line.name + line.tone).join()}`;

  useEffect(() => {
    if (!host.current) return;
    const element = host.current;
    plot.current = new uPlot(optionsOf(live, setHovered, element.clientWidth, height), data, element);
    const observer = new ResizeObserver(() => {
      if (element.clientWidth) plot.current?.setSize({ width: element.clientWidth, height });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shape]);
  useEffect(() => plot.current?.setData(data), [data]);
  useEffect(() => plot.current?.redraw(false), [selected, properties.shades, properties.marks]);

  const at = hovered !== null && hovered < windows.starts.length ? hovered : selected;
  const newest = lines.map((line) => `${line.name} ${show(line.values[selected ?? -1])}`).join(", ");
  return (
    <figure class={styles.chart}>
      <figcaption class={styles.head}>
        <h3>{title}</h3>
        <Legend>
          {lines.map((line) => (
            <li key={line.name}>
              <svg width="18" height="10" aria-hidden="true">
                <path
                  d="M0 5h18"
                  stroke={`var(--${line.tone})`}
                  stroke-width={line.bound ? 1 : 2}
                  stroke-dasharray={line.dash?.join(" ")}
                />
              </svg>
              {line.name} <b>{show(at === null ? null : line.values[at])}</b>
            </li>
          ))}
        </Legend>
      </figcaption>
      <div
        ref={host}
        class={styles.plot}
        role="img"
        aria-label={`${title} over ${windows.starts.length} windows. Selected window: ${newest}.`}
      />
    </figure>
  );
}
