/** The page of one entity: its health, its episodes and its summaries. */

import * as api from "../../api";
import { EpisodeList } from "../../episodes/EpisodeList";
import { Await } from "../../parts/Await";
import { Edges } from "../../parts/Edges";
import { Empty } from "../../parts/Empty";
import { Fact, FactList } from "../../parts/FactList";
import * as format from "../../parts/format";
import { usePolled } from "../../parts/polled";
import { StatusMark } from "../../parts/StatusMark";
import { Time } from "../../parts/Time";
import { performanceLink, referencesLink } from "../../router";
import { performanceOf } from "../performance/load";
import styles from "./EntityPage.module.css";
import { Warnings } from "../declared/Warnings";
import { Summaries } from "./Summaries";
import { Watching } from "./Watching";

const ROLES: readonly { role: api.Role; title: string }[] = [
  { role: "input", title: "Inputs" },
  { role: "output", title: "Outputs" },
  { role: "ground_truth", title: "Ground truth" },
  { role: "logged", title: "Logged" },
  { role: "service", title: "Service" },
];

export function EntityPage({ name }: { name: string }) {
  const polled = usePolled(name, async (signal) => {
    const [entity, summaries, episodes, watches, objects] = await Promise.all([
      api.entity(name, signal),
      api.summaries(name, signal),
      api.episodes(name, signal),
      api.watches(name, signal),
      api.objects(name, signal),
    ]);
    return { entity, summaries, episodes, watch: watches[0], objects };
  });
  return (
    <>
      <h1>{name}</h1>
      <Await polled={polled}>
        {({ entity, summaries, episodes, watch, objects }) => {
          const now = Date.now() / 1000;
          return (
            <>
              <Head entity={entity} now={now} judged={performanceOf(summaries).length > 0} />
              <Declared entity={entity} />
              <Warnings objects={objects} />
              {watch && <Watching watch={watch} now={now} />}
              {episodes.length > 0 && (
                <section aria-labelledby="episodes">
                  <h2 id="episodes">Episodes</h2>
                  <EpisodeList episodes={episodes.slice(0, 20)} place="entity" now={now} />
                </section>
              )}
              {!summaries.length && <Empty>No window has arrived yet.</Empty>}
              {ROLES.map(({ role, title }) => {
                const rows = summaries.filter((each) => each.role === role);
                if (!rows.length) return null;
                return <Summaries key={role} title={title} rows={rows} entity={entity} />;
              })}
            </>
          );
        }}
      </Await>
    </>
  );
}

function Head({ entity, now, judged }: { entity: api.Entity; now: number; judged: boolean }) {
  return (
    <FactList head>
      <Fact name="health">
        <StatusMark status={entity.health} />
      </Fact>
      <Fact name="observations">{format.count(entity.observations)}</Fact>
      <Fact name="first data">
        <Time at={entity.first_seen} />
      </Fact>
      <Fact name="last data">
        <Time at={entity.last_seen} now={now} />
      </Fact>
      <Fact name={entity.references.length > 1 ? "references" : "reference"}>
        <a href={referencesLink(entity.name)}>{entity.references.join(", ") || "none"}</a>
      </Fact>
      {judged && (
        <Fact name="performance">
          <a href={performanceLink(entity.name)}>over time</a>
        </Fact>
      )}
    </FactList>
  );
}

/** What a user has declared: what the entity is, whose, and where its data comes from. */
function Declared({ entity }: { entity: api.DeclaredEntity }) {
  return (
    <>
      {entity.description && <p class={styles.description}>{entity.description}</p>}
      <FactList>
        <Fact name="kind">{entity.kind}</Fact>
        <Fact name="owner">{entity.owner || "none"}</Fact>
        <Fact name="time zone">{entity.time_zone}</Fact>
        <Fact name="reads from">
          <Edges names={entity.reads_from} />
        </Fact>
        <Fact name="read by">
          <Edges names={entity.read_by} />
        </Fact>
        {Object.entries(entity.attributes).map(([key, value]) => (
          <Fact key={key} name={key}>
            {value}
          </Fact>
        ))}
      </FactList>
    </>
  );
}
