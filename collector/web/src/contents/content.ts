/**
 * How the pages show one kind of content.
 *
 * A kind is one entry of the registry. It has the figures of a window, the charts over time, and the
 * line of an overview.
 */

import type { JSX } from "preact";
import type { Reference, Sample, Samples } from "../api";
import type { Line, Mark } from "../charts/timeline";

/** One chart over the windows of a series. */
export interface Chart {
  title: string;
  lines: Line[];
  band?: [upper: number, lower: number]; // positions in lines
  marks?: Mark[];
  statistics: readonly string[]; // statistics of alerters whose limits this chart shows
  show: (value: number | null | undefined) => string;
  height?: number; // CSS pixels
  fromZero?: boolean;
}

/** The most important line of a series, for an overview. */
export interface Glance {
  what: string;
  values: (number | null)[]; // one for each window
  mark: number | null; // the reference's value
  newest: string;
}

/** A kind as its own files define it; *C* is the content of one window. */
export interface OwnKind<C> {
  of: (sample: Sample) => C | null | undefined; // content of this kind in a sample
  figures: (content: C, sample: Sample, reference: Reference | null) => JSX.Element;
  charts: (contents: readonly (C | null)[], series: Samples) => Chart[]; // most important first
  glance: (contents: readonly (C | null)[], series: Samples) => Glance;
}

/** A kind as the pages use it, independent of its type of content. */
export interface ContentKind {
  holds: (sample: Sample) => boolean;
  figures: (sample: Sample, reference: Reference | null) => JSX.Element | null;
  charts: (series: Samples) => Chart[];
  glance: (series: Samples) => Glance;
}

/** Makes a kind for the pages, which finds its own content in samples. */
export function contentKind<C>({ of, figures, charts, glance }: OwnKind<C>): ContentKind {
  const contents = ({ samples }: Samples): (C | null)[] => samples.map((each) => of(each) ?? null);
  return {
    holds: (sample) => of(sample) != null,
    figures: (sample, reference) => {
      const content = of(sample);
      return content == null ? null : figures(content, sample, reference);
    },
    charts: (series) => charts(contents(series), series),
    glance: (series) => glance(contents(series), series),
  };
}
