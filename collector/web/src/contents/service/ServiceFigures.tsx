import type { Service, WebSockets } from "../../api";
import { Bars } from "../../charts/Bars";
import { listed, pairs } from "../../charts/categories";
import { FigureTable } from "../../parts/FigureTable";
import * as format from "../../parts/format";
import { KeyFigure, KeyFigures } from "../KeyFigures";
import styles from "./ServiceFigures.module.css";

/** The requests of one window: their number, latency, statuses and outcomes; streams; WebSockets. */
export function ServiceFigures({ service }: { service: Service }) {
  const streams = Object.values(service.stream_ends).reduce((sum, count) => sum + count, 0);
  return (
    <>
      <KeyFigures>
        <KeyFigure name="requests" value={format.count(service.requests)} />
        <KeyFigure name="per second" value={format.number(service.requests_per_second, 3)} />
        <KeyFigure name="errors" value={format.percent(service.error_ratio)} />
      </KeyFigures>
      <FigureTable class={styles.latency}>
        <caption class={styles.caption}>Latency</caption>
        <tbody>
          <Quantiles seconds={service.latency_quantiles_seconds} />
          <tr>
            <th scope="row">mean</th>
            <td class="right">{format.latency(service.latency_mean_seconds)}</td>
          </tr>
        </tbody>
      </FigureTable>
      <h3 class={styles.heading}>Statuses</h3>
      <Bars rows={pairs(listed(service.statuses, service.requests), null)} reference={null} />
      {Object.keys(service.outcomes).length > 0 && (
        <>
          <h3 class={styles.heading}>Outcomes</h3>
          <Bars rows={pairs(listed(service.outcomes, service.requests), null)} reference={null} />
        </>
      )}
      {streams > 0 && (
        <>
          <h3 class={styles.heading}>Ends of streams</h3>
          <Bars rows={pairs(listed(service.stream_ends, streams), null)} reference={null} />
          <Times name="Time to the first token" seconds={service.first_token_quantiles_seconds} />
          <Times
            name="Time to the first reasoning"
            seconds={service.first_reasoning_quantiles_seconds}
          />
          <Times name="Time per output token" seconds={service.per_token_quantiles_seconds} />
        </>
      )}
      {service.websockets && <WebSocketFigures sockets={service.websockets} />}
    </>
  );
}

/** WebSocket connections that ended in one window. */
function WebSocketFigures({ sockets }: { sockets: WebSockets }) {
  return (
    <>
      <h3 class={styles.heading}>WebSockets</h3>
      <KeyFigures>
        <KeyFigure name="connections" value={format.count(sockets.connections)} />
        <KeyFigure name="messages received" value={format.count(sockets.messages_received)} />
        <KeyFigure name="messages sent" value={format.count(sockets.messages_sent)} />
        <KeyFigure name="bytes received" value={format.count(sockets.bytes_received)} />
        <KeyFigure name="bytes sent" value={format.count(sockets.bytes_sent)} />
      </KeyFigures>
      <Times name="Duration" seconds={sockets.duration_quantiles_seconds} />
      <Bars rows={pairs(listed(sockets.ends, sockets.connections), null)} reference={null} />
    </>
  );
}

/** The quantiles of a time, the largest first; nothing without any. */
function Times({ name, seconds }: { name: string; seconds: Record<string, number> }) {
  if (Object.keys(seconds).length === 0) {
    return null;
  }
  return (
    <FigureTable class={styles.latency}>
      <caption class={styles.caption}>{name}</caption>
      <tbody>
        <Quantiles seconds={seconds} />
      </tbody>
    </FigureTable>
  );
}

/** A row for each quantile. */
function Quantiles({ seconds }: { seconds: Record<string, number> }) {
  const sorted = Object.entries(seconds).sort(([a], [b]) => Number(b) - Number(a));
  return (
    <>
      {sorted.map(([q, value]) => (
        <tr key={q}>
          <th scope="row">{q === "0.5" ? "median" : `p${format.number(Number(q) * 100)}`}</th>
          <td class="right">{format.latency(value)}</td>
        </tr>
      ))}
    </>
  );
}
