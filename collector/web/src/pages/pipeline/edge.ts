/** An edge of the pipeline: its name, its link and its words. */

import type { PipelineEdge, PipelineFinding } from "../../api";

type Ends = Pick<PipelineEdge, "source" | "reader">;

/** A short word for each kind of difference, to be read on the edge. */
export const FAULTS: Record<PipelineFinding["fault"], string> = {
  type: "type differs",
  missing: "missing",
  default: "default",
  unit: "unit differs",
  rounded: "rounded",
  distribution: "differs",
};

export const edgeName = ({ source, reader }: Ends): string => `${source}\n${reader}`;

/** The page with this edge chosen. */
export function edgeLink({ source, reader }: Ends): string {
  return `#/pipeline?${new URLSearchParams({ source, reader }).toString()}`;
}

export const isChosen = ({ source, reader }: Ends, options: URLSearchParams): boolean =>
  options.get("source") === source && options.get("reader") === reader;
