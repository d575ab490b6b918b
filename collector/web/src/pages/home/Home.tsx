/** The home page: all monitored entities, their episodes, and what the store holds. */

import * as api from "../../api";
import { EpisodeList } from "../../episodes/EpisodeList";
import { Await } from "../../parts/Await";
import { Empty } from "../../parts/Empty";
import { usePolled } from "../../parts/polled";
import { Entities } from "./Entities";
import { Stored } from "./Stored";
import { Welcome } from "./Welcome";

const RECENT = 20; // closed episodes shown

export function Home() {
  const polled = usePolled("home", async (signal) => {
    const [entities, episodes, levels] = await Promise.all([
      api.entities(signal),
      api.episodes(undefined, signal),
      api.storage(signal),
    ]);
    return { entities, episodes, levels };
  });
  return (
    <>
      <h1>Monitored entities</h1>
      <Await polled={polled}>
        {({ entities, episodes, levels }) => {
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
                  <Empty>No open episodes.</Empty>
                )}
              </section>
              {closed.length > 0 && (
                <section aria-labelledby="recent">
                  <h2 id="recent">Recent episodes</h2>
                  <EpisodeList episodes={closed} place="home" now={now} />
                </section>
              )}
              <p>
                <a href="#/pipeline">Pipeline of all entities</a>
              </p>
              <p>
                <a href="#/declared">Declared objects and their changes</a>
              </p>
              {levels.length > 0 && (
                <section aria-labelledby="storage">
                  <h2 id="storage">Storage</h2>
                  <Stored levels={levels} />
                </section>
              )}
            </>
          );
        }}
      </Await>
    </>
  );
}
