/** The default alerter of an entity: its status with the reason, its phase and its budget. */

import type * as api from "../../api";
import { Fact, FactList } from "../../parts/FactList";
import { Labels } from "../../parts/Labels";
import { StatusMark } from "../../parts/StatusMark";
import { Time } from "../../parts/Time";

const PHASES: Record<api.Watch["phase"], string> = {
  LEARNING: "learning",
  COARSE: "coarse",
  ACTIVE: "active",
};

export function Watching({ watch, now }: { watch: api.Watch; now: number }) {
  const unwatched = watch.summaries.filter((each) => each.status === "NOT_WATCHED");
  return (
    <section aria-labelledby="watching">
      <h2 id="watching">Default alerter</h2>
      <p>
        <StatusMark status={watch.status} /> {watch.sentence}
      </p>
      <FactList>
        <Fact name="phase">{PHASES[watch.phase]}</Fact>
        {watch.next_phase !== null && (
          <Fact name="next phase">
            <Time at={watch.next_phase} />
          </Fact>
        )}
        {watch.phase === "ACTIVE" && watch.frozen_since !== null && (
          <Fact name={watch.frozen ? "frozen since" : "frozen from"}>
            <Time at={watch.frozen_since} />
          </Fact>
        )}
        <Fact name="judged up to">
          <Time at={watch.judged} now={now} />
        </Fact>
        {watch.late_rows > 0 && <Fact name="late rows, three days">{watch.late_rows}</Fact>}
        <Fact name="budget">one false alarm in {watch.budget_days} days</Fact>
      </FactList>
      {unwatched.length > 0 && (
        <ul>
          {unwatched.map((each) => (
            <li key={`${each.summary} ${JSON.stringify(each.labels)}`}>
              <StatusMark status={each.status} /> {each.summary} <Labels labels={each.labels} /> {each.sentence}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
