/** Every monitored entity, and what is wrong with any of them. */

import * as api from "../api";
import { EpisodeList } from "../episodes";
import * as format from "../format";
import { usePolled } from "../hooks";
import { Await, HealthMark, Time } from "../parts";
import { entityLink } from "../router";

const RECENT = 20; // closed episodes shown

export function Home() {
  const polled = usePolled("home", async (signal) => {
    const [entities, episodes] = await Promise.all([
      api.entities(signal),
      api.episodes(undefined, signal),
    ]);
    return { entities, episodes };
  });
  return (
    <>
      <h1>Monitored entities</h1>
      <Await polled={polled}>
        {({ entities, episodes }) => {
          if (!entities.length) return <Welcome />;
          const open = episodes.filter((each) => each.closed === null);
          const closed = episodes.filter((each) => each.closed !== null).slice(0, RECENT);
          const now = Date.now() / 1000;
          return (
            <>
              <Entities entities={entities} now={now} />
              <section aria-labelledby="open">
                <h2 id="open">Open episodes</h2>
                {open.length ? (
                  <EpisodeList episodes={open} place="home" now={now} />
                ) : (
                  <p class="empty">None: no alerter is breached.</p>
                )}
              </section>
              {closed.length > 0 && (
                <section aria-labelledby="recent">
                  <h2 id="recent">Recent episodes</h2>
                  <EpisodeList episodes={closed} place="home" now={now} />
                </section>
              )}
            </>
          );
        }}
      </Await>
    </>
  );
}

function Entities({ entities, now }: { entities: readonly api.Entity[]; now: number }) {
  return (
    <table class="list">
      <caption class="hidden">Monitored entities and their health</caption>
      <thead>
        <tr>
          <th scope="col">Entity</th>
          <th scope="col">Health</th>
          <th scope="col" class="right">Open episodes</th>
          <th scope="col" class="right">Observations</th>
          <th scope="col" class="right">Summaries</th>
          <th scope="col">Reference</th>
          <th scope="col" class="right">Last data</th>
        </tr>
      </thead>
      <tbody>
        {entities.map((entity) => (
          <tr key={entity.name}>
            <th scope="row">
              <a href={entityLink(entity.name)}>{entity.name}</a>
            </th>
            <td>
              <HealthMark health={entity.health} />
            </td>
            <td class={entity.open_episodes ? "right" : "right faint"} data-name="open episodes">
              {format.count(entity.open_episodes)}
            </td>
            <td class="right" data-name="observations">{format.count(entity.observations)}</td>
            <td class="right" data-name="summaries">{format.count(entity.summaries)}</td>
            <td data-name="reference">
              {entity.references.length ? entity.references.join(", ") : <span class="faint">none</span>}
            </td>
            <td class="right" data-name="last data">
              <Time at={entity.last_seen} now={now} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Welcome() {
  return (
    <section class="welcome" aria-labelledby="welcome">
      <h2 id="welcome">Nothing has been observed yet</h2>
      <p>Add the middleware to the application that serves the model, and send it a request:</p>
      <pre>
        <code>{`from nilometer import NilometerMiddleware

app.add_middleware(NilometerMiddleware, entity="fraud-scorer")`}</code>
      </pre>
      <p>
        The entity appears here when its first window is complete. To compare it with what it was
        trained on, give it a reference:
      </p>
      <pre>
        <code>{`nilometer profile train.parquet --entity fraud-scorer --as-reference training`}</code>
      </pre>
    </section>
  );
}
