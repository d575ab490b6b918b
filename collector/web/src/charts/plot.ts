/** The options of uPlot for a time chart: scales, lines, axes and drawing hooks. */

import uPlot from "uplot";
import * as format from "../parts/format";
import { paintMarks, paintWindows, paletteOf } from "./paint";
import type { Properties } from "./timeline";

const MOST_POINTS = 70; // a line with more positions is drawn without points

/** The data of the drawing hooks; each render replaces it, so that the plot can be kept. */
export interface Live {
  properties: Properties;
  index: (number | null)[]; // position in the plot -> window
}

export function optionsOf(
  live: { current: Live },
  hover: (index: number | null) => void,
  width: number,
  height: number,
): uPlot.Options {
  const { lines, band } = live.current.properties;
  const palette = paletteOf(document.documentElement);
  const { tone } = palette;
  const axis: uPlot.Axis = {
    stroke: tone("faint"),
    font: `${palette.textSize}px ${palette.font}`,
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
        range: (_, low, high) => rangeOf([low, high], live.current.properties),
      },
    },
    series: [{}, ...lines.map((_, i) => seriesOf(live, i, tone))],
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
      drawClear: [(u) => paintWindows(u, live.current.properties, palette)],
      draw: [(u) => paintMarks(u, live.current.properties, palette)],
      setCursor: [(u) => hover(windowAt(u, live.current))],
      ready: [
        (u) => {
          u.over.addEventListener("click", () => {
            const i = windowAt(u, live.current);
            if (i !== null) live.current.properties.onSelect(i);
          });
        },
      ],
    },
  };
}

/** The window below the pointer; null in a gap and outside the plot. */
function windowAt(u: uPlot, { index }: Live): number | null {
  return u.cursor.idx == null ? null : (index[u.cursor.idx] ?? null);
}

function seriesOf(
  live: { current: Live },
  at: number,
  tone: (name: string) => string,
): uPlot.Series {
  const line = live.current.properties.lines[at]!;
  const colour = tone(line.tone);
  const points: uPlot.Series.Points = line.hollow
    ? { show: true, size: 7, width: 1.5, fill: tone("sheet"), stroke: colour, filter: (u) => hollowOf(u, live.current, at) }
    : { show: !line.bound && live.current.index.length <= MOST_POINTS, size: 4.5, fill: colour };
  return {
    label: line.name,
    stroke: colour,
    width: line.bound ? 0.75 : 1.75,
    ...(line.dash ? { dash: line.dash } : {}),
    points,
  };
}

/** The positions in the plot of the hollow points of a line. */
function hollowOf(u: uPlot, { properties, index }: Live, at: number): number[] {
  const hollow = properties.lines[at]?.hollow ?? [];
  const values = u.data[at + 1] ?? [];
  return index.flatMap((i, place) => (i !== null && hollow[i] && values[place] != null ? [place] : []));
}

/** The range of the y axis: all values and marks with a margin, and zero if requested. */
function rangeOf(
  extremes: readonly (number | null)[],
  { marks = [], fromZero }: Properties,
): [number, number] {
  const values = [...extremes, ...marks.map((mark) => mark.value)].filter(
    (each): each is number => each != null && Number.isFinite(each),
  );
  if (fromZero) values.push(0);
  if (!values.length) return [0, 1];
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const pad = (most - least) * 0.08 || Math.abs(most) * 0.1 || (fromZero ? 0.01 : 1);
  return [fromZero && least === 0 ? 0 : least - pad, most + pad];
}

/** Labels of times, with the date below the first of each day; only dates if a step is a day or more. */
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
