import type { Service } from "../../api";
import { Bars } from "../../charts/Bars";
import { listed, pairs } from "../../charts/categories";
import { FigureTable } from "../../parts/FigureTable";
import * as format from "../../parts/format";
import { KeyFigure, KeyFigures } from "../KeyFigures";
import styles from "./ServiceFigures.module.css";

/** The requests of one window: their number, latency, statuses and outcomes. */
export function ServiceFigures({ service }: { service: Service }) {
  const quantiles = Object.entries(service.latency_quantiles_seconds).sort(
    ([a], [b]) => Number(b) - Number(a),
  );
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
          {quantiles.map(([q, seconds]) => (
            <tr key={q}>
              <th scope="row">{q === "0.5" ? "median" : `p${format.number(Number(q) * 100)}`}</th>
              <td class="right">{format.latency(seconds)}</td>
            </tr>
          ))}
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
    </>
  );
}
