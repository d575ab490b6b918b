/** The page of the pipeline: all entities as a graph, who moved first, and what differs on the edges. */

import * as api from "../../api";
import { Await } from "../../parts/Await";
import { Empty } from "../../parts/Empty";
import * as format from "../../parts/format";
import { usePolled } from "../../parts/polled";
import { entityLink } from "../../router";
import { Card } from "./Card";
import { Edges } from "./Edges";
import { Graph } from "./Graph";
import styles from "./PipelinePage.module.css";

export function PipelinePage({ options }: { options: URLSearchParams }) {
  const polled = usePolled("pipeline", api.pipeline);
  return (
    <>
      <h1>Pipeline</h1>
      <Await polled={polled}>
        {(pipeline) =>
          pipeline.nodes.length ? (
            <Picture pipeline={pipeline} options={options} />
          ) : (
            <Empty>Nothing has been observed yet.</Empty>
          )
        }
      </Await>
    </>
  );
}

function Picture({ pipeline, options }: { pipeline: api.Pipeline; options: URLSearchParams }) {
  const { nodes, edges } = pipeline;
  const linked = new Set(edges.flatMap(({ source, reader }) => [source, reader]));
  const alone = nodes.filter(({ name }) => !linked.has(name));
  const first = new Set(pipeline.first_movers.map(({ entity }) => entity));
  return (
    <>
      <Movers pipeline={pipeline} />
      {edges.length > 0 && (
        <>
          <Key edges={edges} />
          <Graph pipeline={pipeline} options={options} />
        </>
      )}
      <Notes pipeline={pipeline} />
      {alone.length > 0 && (
        <section aria-labelledby="alone">
          <h2 id="alone">Without edges</h2>
          <ul class={styles.alone}>
            {alone.map((node) => (
              <li key={node.name}>
                <Card node={node} isFirst={first.has(node.name)} isDense={false} />
              </li>
            ))}
          </ul>
          {!edges.length && (
            <p class={styles.hint}>
              An edge appears when an entity declares <code>reads_from</code>, or when requests between
              two entities have a <code>traceparent</code> or <code>x-nilometer-entity</code> header.
            </p>
          )}
        </section>
      )}
      {edges.length > 0 && (
        <section aria-labelledby="edges">
          <h2 id="edges">Edges</h2>
          <Edges edges={edges} options={options} now={pipeline.taken} />
        </section>
      )}
    </>
  );
}

/** Who moved first, one sentence each. */
function Movers({ pipeline: { first_movers: movers } }: { pipeline: api.Pipeline }) {
  if (!movers.length) return null;
  return (
    <ol class={styles.movers} aria-label="First movers">
      {movers.map(({ entity, sentence }) => (
        <li key={entity}>
          <a href={entityLink(entity)}>{entity}</a>
          {sentence.startsWith(entity) ? sentence.slice(entity.length) : ` ${sentence}`}
        </li>
      ))}
    </ol>
  );
}

/** What the lines mean. */
function Key({ edges }: { edges: readonly api.PipelineEdge[] }) {
  const declared = edges.filter((edge) => edge.declared).length;
  const differing = edges.filter((edge) => edge.findings.length).length;
  return (
    <ul class={styles.key}>
      <li>
        <Sample look={styles.plain} /> {format.count(declared)} declared
      </li>
      <li>
        <Sample look={styles.learned} /> {format.count(edges.length - declared)} learned
      </li>
      <li>
        <Sample look={styles.differing} /> {format.count(differing)} with a difference between sent and received
      </li>
    </ul>
  );
}

function Sample({ look }: { look: string | undefined }) {
  return (
    <svg class={look} width="34" height="8" aria-hidden="true">
      <path d="M0 4h34" />
    </svg>
  );
}

/** What the picture lacks, and edges that make a cycle. */
function Notes({ pipeline }: { pipeline: api.Pipeline }) {
  const unknown = pipeline.nodes.reduce((sum, node) => sum + node.unknown_callers, 0);
  const notes = [
    ...pipeline.cycles.map((names) =>
      names.length > 1 ? `${names.join(", ")} read from each other.` : `${names[0]} reads from itself.`,
    ),
    unknown && `${format.count(unknown)} requests name a caller that does not exist.`,
    pipeline.nodes_left_out && `${format.count(pipeline.nodes_left_out)} more entities are not shown.`,
    pipeline.edges_left_out && `${format.count(pipeline.edges_left_out)} more edges are not shown.`,
  ].filter(Boolean);
  if (!notes.length) return null;
  return (
    <ul class={styles.notes}>
      {notes.map((note) => (
        <li key={note}>{note}</li>
      ))}
    </ul>
  );
}
