/** The page of one episode: what drifted, and its likely causes. */

import * as api from "../../api";
import { Causes } from "../../episodes/Causes";
import { EpisodeList } from "../../episodes/EpisodeList";
import { Await } from "../../parts/Await";
import { Empty } from "../../parts/Empty";
import { usePolled } from "../../parts/polled";

export function EpisodePage({ entity, id }: { entity: string; id: number }) {
  const polled = usePolled(`${entity}\n${id}`, async (signal) => {
    const [episodes, causes] = await Promise.all([
      api.episodes(entity, signal),
      api.causes(entity, id, signal),
    ]);
    return { episode: episodes.find((each) => each.id === id), causes };
  });
  return (
    <>
      <h1>Episode {id}</h1>
      <Await polled={polled}>
        {({ episode, causes }) =>
          episode === undefined ? (
            <Empty>The episode does not exist any more.</Empty>
          ) : (
            <>
              <EpisodeList episodes={[episode]} place="episode" now={Date.now() / 1000} />
              <section aria-labelledby="causes">
                <h2 id="causes">Likely causes</h2>
                <Causes answer={causes} episode={episode} />
              </section>
            </>
          )
        }
      </Await>
    </>
  );
}
