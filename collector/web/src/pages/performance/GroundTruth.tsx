/** What became of the ground truth of an entity, how long it takes, and which windows wait for it. */

import type { Maturity, TruthStatus } from "../../api";
import { Fact, FactList } from "../../parts/FactList";
import { FigureTable } from "../../parts/FigureTable";
import * as format from "../../parts/format";
import { Time } from "../../parts/Time";

const NEWEST = 24; // windows in the table
const USED = ["joined", "repeated", "corrected"];

export function GroundTruth({ truth, maturity }: { truth: TruthStatus; maturity: Maturity | null }) {
  const { counts, waiting, oldest_waiting } = truth;
  const refused = Object.entries(counts).filter(([outcome]) => !USED.includes(outcome));
  const windows = (maturity?.windows ?? []).slice(-NEWEST).reverse();
  return (
    <section aria-labelledby="ground-truth">
      <h2 id="ground-truth">Ground truth</h2>
      <FactList>
        {USED.map((outcome) => (
          <Fact key={outcome} name={outcome}>
            {format.count(counts[outcome] ?? 0)}
          </Fact>
        ))}
        <Fact name="waiting for predictions">
          {format.count(waiting)}
          {oldest_waiting !== null && (
            <>
              , oldest <Time at={oldest_waiting} now={Date.now() / 1000} />
            </>
          )}
        </Fact>
        {refused.map(([outcome, rows]) => (
          <Fact key={outcome} name={outcome.replaceAll("_", " ")}>
            {format.count(rows)}
          </Fact>
        ))}
      </FactList>
      {maturity && (
        <FactList>
          {Object.entries(maturity.lags).map(([share, seconds]) => (
            <Fact key={share} name={`${share.slice(1)} % of the labels arrived within`}>
              {format.duration(seconds)}
            </Fact>
          ))}
        </FactList>
      )}
      {windows.length > 0 && (
        <FigureTable>
          <thead>
            <tr>
              <th scope="col">window</th>
              <th scope="col">predictions</th>
              <th scope="col">with a label</th>
              <th scope="col">share</th>
              <th scope="col">usual at this age</th>
              <th scope="col">scores differ from all</th>
              <th scope="col">judged</th>
            </tr>
          </thead>
          <tbody>
            {windows.map((each) => (
              <tr key={each.start}>
                <th scope="row">{format.window(each.start, each.end)}</th>
                <td>{each.predictions === null ? format.NOTHING : format.count(each.predictions)}</td>
                <td>{format.count(each.labelled)}</td>
                <td>{format.percent(each.share)}</td>
                <td>{format.percent(each.usual)}</td>
                <td>{format.percent(each.score_distance)}</td>
                <td>{each.mature ? "yes" : `no: ${each.why}`}</td>
              </tr>
            ))}
          </tbody>
        </FigureTable>
      )}
    </section>
  );
}
