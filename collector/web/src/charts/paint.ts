/** Paints a time chart's episodes, selected window and marks. */

import type uPlot from "uplot";
import type { Mark, Properties } from "./timeline";

export interface Palette {
  tone: (name: string) => string; // value of a custom property of the style sheet
  textSize: number; // CSS pixels
  font: string; // a font family
  ratio: number; // device pixels in a CSS pixel
}

export function paletteOf(element: Element): Palette {
  const style = getComputedStyle(element);
  const tone = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  const textSize = parseFloat(tone("text-xs"));
  return { tone, textSize, font: tone("font-text"), ratio: devicePixelRatio };
}

/** Paint the episodes as shades and the selected window, below the lines. */
export function paintWindows(u: uPlot, properties: Properties, { tone, ratio }: Palette): void {
  const { shades = [], windows, selected } = properties;
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
}

/** Paint the marks as dashed lines with their names, above the lines. */
export function paintMarks(u: uPlot, { marks = [] }: Properties, palette: Palette): void {
  const { tone, ratio } = palette;
  const { ctx, bbox } = u;
  ctx.save();
  ctx.font = `${palette.textSize * ratio}px ${palette.font}`;
  ctx.textAlign = "right";
  const named: number[] = []; // positions of painted names; a later mark too close gets no name
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
    paintName(u, mark, y, palette);
  }
  ctx.restore();
}

/** Paint the name of a mark at the right end of its line, on a background that keeps it legible. */
function paintName({ ctx, bbox }: uPlot, { name }: Mark, y: number, { tone, ratio }: Palette): void {
  const words = ctx.measureText(name).width;
  const right = bbox.left + bbox.width - 4 * ratio;
  const base = y - 4 * ratio < bbox.top + 10 * ratio ? y + 13 * ratio : y - 4 * ratio;
  ctx.save();
  ctx.globalAlpha = 0.8;
  ctx.fillStyle = tone("paper");
  ctx.fillRect(right - words - 2 * ratio, base - 10 * ratio, words + 4 * ratio, 12 * ratio);
  ctx.restore();
  ctx.fillText(name, right, base);
}
