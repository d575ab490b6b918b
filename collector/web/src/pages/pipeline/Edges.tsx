import { useEffect, useRef } from "preact/hooks";
import type { PipelineEdge } from "../../api";
import { Edges as Links } from "../../parts/Edges";
import * as format from "../../parts/format";
import { ListTable } from "../../parts/ListTable";
import { Time } from "../../parts/Time";
import { summaryLink } from "../../router";
import { edgeName, isChosen } from "./edge";
import styles from "./Edges.module.css";

/** A table of all edges: where each is known from, and what differs on it. */
export function Edges({ edges, options, now }: { edges: readonly PipelineEdge[]; options: URLSearchParams; now: number }) {
  const chosen = useRef<HTMLTableRowElement>(null);
  const name = edges.find((edge) => isChosen(edge, options));
  useEffect(() => {
    chosen.current?.scrollIntoView({ block: "center", behavior: "smooth" });
  }, [name && edgeName(name)]);
  // An edge that differs is first.
  const rows = [...edges].sort((a, b) => Number(b.findings.length > 0) - Number(a.findings.length > 0));
  return (
    <ListTable class={styles.columns}>
      <caption class="hidden">Edges of the pipeline, and what differs on them</caption>
      <thead>
        <tr>
          <th scope="col">Reader</th>
          <th scope="col">Reads from</th>
          <th scope="col">Known from</th>
          <th scope="col">Sent against received</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((edge) => {
          const isOpen = isChosen(edge, options);
          return (
            <tr key={edgeName(edge)} ref={isOpen ? chosen : null} class={isOpen ? styles.chosen : undefined}>
              <th scope="row">
                <Links names={[edge.reader]} />
              </th>
              <td data-name="reads from">
                <Links names={[edge.source]} />
              </td>
              <td data-name="known from">
                <Origin edge={edge} now={now} />
              </td>
              <td>
                <Findings edge={edge} />
              </td>
            </tr>
          );
        })}
      </tbody>
    </ListTable>
  );
}

function Origin({ edge: { declared, call }, now }: { edge: PipelineEdge; now: number }) {
  return (
    <>
      <div>{declared ? "declared" : "learned"}</div>
      {call ? (
        <div class="faint small">
          {format.percent(call.share)} of the requests, by {call.evidence === "header" ? "header" : "traces"},{" "}
          <Time at={call.last_seen} now={now} />
        </div>
      ) : (
        <div class="faint small">no request seen</div>
      )}
    </>
  );
}

function Findings({ edge }: { edge: PipelineEdge }) {
  if (!edge.columns) return <span class="faint">not compared: {edge.why}</span>;
  if (!edge.findings.length) {
    return <span class="faint">{edge.columns === 1 ? "1 column agrees" : `${edge.columns} columns agree`}</span>;
  }
  return (
    <ul class={styles.findings}>
      {edge.findings.map((each) => (
        <li key={each.received}>
          {each.sentence}{" "}
          <span class="nowrap small">
            <a href={summaryLink(edge.source, each.sent)}>sent</a>,{" "}
            <a href={summaryLink(edge.reader, each.received)}>received</a>
          </span>
        </li>
      ))}
    </ul>
  );
}
