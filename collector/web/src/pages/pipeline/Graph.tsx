import { useMemo } from "preact/hooks";
import type { Pipeline, PipelineEdge } from "../../api";
import { Card } from "./Card";
import { edgeLink, edgeName, FAULTS, isChosen } from "./edge";
import { DENSE, layoutOf, ROOMY } from "./layout";
import styles from "./Graph.module.css";

const MARGIN = 4;
const MOST_ROOMY = 24; // nodes that show their figures; of more, only the names are shown
const TONES = { calm: styles.calm, alarmed: styles.alarmed };

/** The graph in layers. Tab goes from node to node and from edge to edge, as both are links. */
export function Graph({ pipeline, options }: { pipeline: Pipeline; options: URLSearchParams }) {
  const shape = pipeline.edges.map((edge) => `${edge.source}\n${edge.reader}`).join("\n");
  // A new layout only for new edges; the rest of an edge changes every ten seconds.
  const layout = useMemo(() => {
    const flows = pipeline.edges.map(({ source, reader }) => ({ source, reader }));
    const linked = new Set(flows.flatMap(({ source, reader }) => [source, reader]));
    const size = linked.size > MOST_ROOMY ? DENSE : ROOMY;
    return { ...layoutOf(flows, size), size };
  }, [shape]);
  const edges = new Map(pipeline.edges.map((edge) => [edgeName(edge), edge]));
  const nodes = new Map(pipeline.nodes.map((node) => [node.name, node]));
  const first = new Set(pipeline.first_movers.map(({ entity }) => entity));
  const width = layout.width + 2 * MARGIN;
  const height = layout.height + 2 * MARGIN;
  return (
    <div class={styles.scroll} tabIndex={-1}>
      <svg
        class={styles.graph}
        width={width}
        height={height}
        viewBox={`${-MARGIN} ${-MARGIN} ${width} ${height}`}
        role="group"
        aria-label="Graph of the pipeline"
      >
        <defs>
          {Object.entries(TONES).map(([tone, look]) => (
            <marker key={tone} id={`arrow-${tone}`} class={look} viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto">
              <path d="M0 .5 8 4 0 7.5Z" />
            </marker>
          ))}
        </defs>
        {layout.lines.map(({ flow, path, middle: [x, y] }) => {
          const edge = edges.get(edgeName(flow));
          return edge && <Line key={edgeName(flow)} edge={edge} path={path} x={x} y={y} isChosen={isChosen(edge, options)} />;
        })}
        {layout.nodes.map(({ name, x, y }) => {
          const node = nodes.get(name);
          return (
            node && (
              <foreignObject key={name} x={x} y={y} width={layout.size.width} height={layout.size.height}>
                <Card node={node} isFirst={first.has(name)} isDense={layout.size === DENSE} />
              </foreignObject>
            )
          );
        })}
      </svg>
    </div>
  );
}

function Line({ edge, path, x, y, isChosen }: { edge: PipelineEdge; path: string; x: number; y: number; isChosen: boolean }) {
  const [finding] = edge.findings;
  const tone = finding ? "alarmed" : "calm";
  const looks = [styles.edge, TONES[tone], edge.declared ? "" : styles.learned, isChosen ? styles.chosen : ""];
  const word = finding && FAULTS[finding.fault];
  const label = `${edge.source} to ${edge.reader}, ${edge.declared ? "declared" : "learned"}${word ? `, ${word}` : ""}`;
  return (
    <a href={edgeLink(edge)} class={looks.join(" ")} aria-label={label}>
      <title>{finding?.sentence ?? label}</title>
      <path d={path} class={styles.target} />
      <path d={path} class={styles.line} marker-end={`url(#arrow-${tone})`} />
      {word && (
        <g class={styles.word}>
          <rect x={x - 39} y={y - 22} width={78} height={18} />
          <text x={x} y={y - 9}>{word}</text>
        </g>
      )}
    </a>
  );
}
