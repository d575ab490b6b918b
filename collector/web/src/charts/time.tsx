/** A quantity over windows: lines, one band, marks to read it against, episodes as shade. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import * as format from "../format";
import { useDark } from "../hooks";

export interface Line {
  name: string;
  values: readonly (number | null)[];
  tone: string; // the name of a custom property of the style sheet
  dash?: number[];
  bound?: boolean; // an edge of the band: drawn thin
}

export interface Mark {
  value: number;
  name: string;
  tone: string;
  dash: number[];
}

export interface Shade {
  from: number; // Unix seconds
  to: number;
}

export interface Windows {
  starts: readonly number[];
  ends: readonly number[];
}

interface Properties {
  title: string;
  windows: Windows;
  lines: readonly Line[];
  band?: [upper: number, lower: number]; // positions in lines
  marks?: readonly Mark[];
  shades?: readonly Shade[];
  selected: number | null;
  onSelect: (index: number) => void;
  show: (value: number | null | undefined) => string;
  height?: number;
  fromZero?: boolean;
}

/** What the drawing hooks read; replaced on every render, so that the plot itself can stay. */
interface Live {
  properties: Properties;
  index: (number | null)[]; // position in the plot -> window
}

/** Positions in the middle of windows, with a gap wherever windows are missing. */
function gapped(windows: Windows): { x: number[]; index: (number | null)[] } {
  const x: number[] = [];
  const index: (number | null)[] = [];
  windows.starts.forEach((start, i) => {
    const before = windows.ends[i - 1];
    const end = windows.ends[i]!;
    if (before !== undefined && start - before > (end - start) * 0.5) {
      x.push((before + start) / 2);
      index.push(null);
    }
    x.push((start + end) / 2);
    index.push(i);
  });
  return { x, index };
}

const AXIS_FONT = '11px system-ui, "Segoe UI", Roboto, sans-serif';

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
    plot.current = new uPlot(options(live, setHovered, element.clientWidth, height), data, element);
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
    <figure class="time-chart">
      <figcaption class="chart-head">
        <h3>{title}</h3>
        <ul class="legend">
          {lines.map((line) => (
            <li key={line.name}>
              <svg width="18" height="10" aria-hidden="true">
                <path
                  d="M0 5h18"
                  class={`stroke-${line.tone} ${line.bound ? "thin" : ""}`}
                  stroke-dasharray={line.dash?.join(" ")}
                />
              </svg>
              {line.name} <b>{show(at === null ? null : line.values[at])}</b>
            </li>
          ))}
        </ul>
      </figcaption>
      <div
        ref={host}
        class="plot"
        role="img"
        aria-label={`${title} over ${windows.starts.length} windows. Selected window: ${newest}.`}
      />
    </figure>
  );
}

function options(
  live: { current: Live },
  hover: (index: number | null) => void,
  width: number,
  height: number,
): uPlot.Options {
  const style = getComputedStyle(document.documentElement);
  const tone = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  const { lines, band } = live.current.properties;
  const ratio = devicePixelRatio;
  const axis: uPlot.Axis = {
    stroke: tone("faint"),
    font: AXIS_FONT,
    grid: { stroke: tone("rule"), width: 1 },
    ticks: { stroke: tone("rule-strong"), width: 1, size: 5 },
  };
  return {
    width,
    height,
    legend: { show: false },
    padding: [10, 10, 0, 0],
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    cursor: {
      y: false,
      drag: { x: false, y: false },
      sync: { key: "windows" },
      points: { size: 7, width: 1.5 },
    },
    scales: {
      x: {
        time: true,
        range: () => {
          const { starts, ends } = live.current.properties.windows;
          return [starts[0] ?? 0, ends.at(-1) ?? 1];
        },
      },
      y: {
        range: (_, low, high) => {
          const { marks = [], fromZero } = live.current.properties;
          const values = [low, high, ...marks.map((mark) => mark.value)].filter(
            (each) => each != null && Number.isFinite(each),
          );
          if (fromZero) values.push(0);
          if (!values.length) return [0, 1];
          const [least, most] = [Math.min(...values), Math.max(...values)];
          const pad = (most - least) * 0.08 || Math.abs(most) * 0.1 || (fromZero ? 0.01 : 1);
          return [fromZero && least === 0 ? 0 : least - pad, most + pad];
        },
      },
    },
    series: [
      {},
      ...lines.map(
        (line): uPlot.Series => ({
          label: line.name,
          stroke: tone(line.tone),
          width: line.bound ? 0.75 : 1.75,
          ...(line.dash ? { dash: line.dash } : {}),
          points: { show: !line.bound && live.current.index.length <= 70, size: 4.5, fill: tone(line.tone) },
        }),
      ),
    ],
    ...(band
      ? { bands: [{ series: [band[0] + 1, band[1] + 1] as [number, number], fill: tone("flow-wash") }] }
      : {}),
    axes: [
      { ...axis, size: 36, space: 72, values: (u, splits, __, ___, step) => timeTexts(u, splits, step) },
      {
        ...axis,
        size: 62,
        space: 26,
        values: (_, splits) => splits.map((each) => live.current.properties.show(each)),
      },
    ],
    hooks: {
      drawClear: [
        (u) => {
          const { shades = [], windows, selected } = live.current.properties;
          const { ctx, bbox } = u;
          const clamp = (seconds: number): number =>
            Math.min(bbox.left + bbox.width, Math.max(bbox.left, u.valToPos(seconds, "x", true)));
          ctx.save();
          for (const { from, to } of shades) {
            const [left, right] = [clamp(from), clamp(to)];
            if (right <= left) continue;
            ctx.fillStyle = tone("alarm-wash");
            ctx.fillRect(left, bbox.top, right - left, bbox.height);
            ctx.fillStyle = tone("alarm");
            ctx.fillRect(left, bbox.top - 3 * ratio, right - left, 3 * ratio);
          }
          if (selected !== null && windows.starts[selected] !== undefined) {
            const left = clamp(windows.starts[selected]);
            const width = clamp(windows.ends[selected]!) - left;
            const narrow = width < 4 * ratio;
            ctx.fillStyle = tone("select");
            ctx.fillRect(left, bbox.top, width, bbox.height);
            ctx.fillStyle = tone("ink");
            if (narrow) ctx.fillRect(left + width / 2 - ratio / 2, bbox.top, ratio, bbox.height);
            const foot = narrow ? 5 * ratio : width;
            ctx.fillRect(left + (width - foot) / 2, bbox.top + bbox.height - 3 * ratio, foot, 3 * ratio);
          }
          ctx.restore();
        },
      ],
      draw: [
        (u) => {
          const { marks = [] } = live.current.properties;
          const { ctx, bbox } = u;
          ctx.save();
          ctx.font = `${11 * ratio}px system-ui, "Segoe UI", Roboto, sans-serif`;
          ctx.textAlign = "right";
          const named: number[] = []; // keeps the words of close marks apart; the first one wins
          for (const mark of marks) {
            const y = Math.round(u.valToPos(mark.value, "y", true));
            if (y < bbox.top || y > bbox.top + bbox.height) continue;
            ctx.strokeStyle = ctx.fillStyle = tone(mark.tone);
            ctx.lineWidth = ratio;
            ctx.setLineDash(mark.dash.map((each) => each * ratio));
            ctx.beginPath();
            ctx.moveTo(bbox.left, y);
            ctx.lineTo(bbox.left + bbox.width, y);
            ctx.stroke();
            if (named.some((other) => Math.abs(other - y) < 17 * ratio)) continue;
            named.push(y);
            const words = ctx.measureText(mark.name).width;
            const right = bbox.left + bbox.width - 4 * ratio;
            const base = y - 4 * ratio < bbox.top + 10 * ratio ? y + 13 * ratio : y - 4 * ratio;
            ctx.save();
            ctx.globalAlpha = 0.8;
            ctx.fillStyle = tone("paper");
            ctx.fillRect(right - words - 2 * ratio, base - 10 * ratio, words + 4 * ratio, 12 * ratio);
            ctx.restore();
            ctx.fillText(mark.name, right, base);
          }
          ctx.restore();
        },
      ],
      setCursor: [(u) => hover(u.cursor.idx == null ? null : (live.current.index[u.cursor.idx] ?? null))],
      ready: [
        (u) => {
          u.over.addEventListener("click", () => {
            const i = u.cursor.idx == null ? null : (live.current.index[u.cursor.idx] ?? null);
            if (i !== null) live.current.properties.onSelect(i);
          });
        },
      ],
    },
  };
}

/** Clock times, with the date under the first of each day; dates alone where a step is a day or more. */
function timeTexts(u: uPlot, splits: readonly number[], step: number): string[] {
  let day = "";
  const end = u.bbox.width / devicePixelRatio;
  return splits.map((seconds) => {
    if (end > 0 && u.valToPos(seconds, "x") > end - 22) return ""; // would be cut off
    const date = format.date(seconds);
    const first = date !== day;
    day = date;
    if (step >= 86400) return date;
    return first ? `${format.clock(seconds)}\n${date}` : format.clock(seconds);
  });
}
