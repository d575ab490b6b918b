/** The content of a time chart: lines over windows, marks and shades. */

export interface Line {
  name: string;
  values: readonly (number | null)[];
  tone: string; // the name of a custom property of the style sheet
  dash?: number[];
  bound?: boolean; // an edge of the band: drawn thin
  hollow?: readonly boolean[]; // windows whose points are drawn as circles; others get no point
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

export interface Properties {
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

/** Positions at the middle of windows, with a gap for missing windows. */
export function gapped(windows: Windows): { x: number[]; index: (number | null)[] } {
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
