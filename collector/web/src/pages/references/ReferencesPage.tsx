/** The page of the references of an entity: all versions, which one is current, and what differs. */

import * as api from "../../api";
import { Await } from "../../parts/Await";
import { Empty } from "../../parts/Empty";
import { usePolled } from "../../parts/polled";
import { Revisions } from "../declared/Revisions";
import { Freeze } from "./Freeze";
import { Version } from "./Version";
import { Versions } from "./Versions";

export function ReferencesPage({ entity, options }: { entity: string; options: URLSearchParams }) {
  const polled = usePolled(entity, async (signal) => {
    const [versions, alerters, revisions] = await Promise.all([
      api.referenceVersions(entity, signal),
      api.alerters(entity, signal),
      api.changes(signal, { kind: "reference", entity }),
    ]);
    return { versions, alerters, revisions };
  });
  return (
    <>
      <h1>References of {entity}</h1>
      <Await polled={polled}>
        {({ versions, alerters, revisions }) => {
          const [name, digest] = [options.get("name"), options.get("version")];
          const chosen = versions.find((one) => one.name === name && one.digest === digest);
          return (
            <>
              <section aria-labelledby="versions">
                <h2 id="versions">Versions</h2>
                {versions.length ? (
                  <Versions versions={versions} chosen={chosen} />
                ) : (
                  <Empty>There is no reference. Upload one, or freeze stored windows.</Empty>
                )}
              </section>
              {chosen && (
                <Version
                  key={`${chosen.name}\n${chosen.digest}`}
                  version={chosen}
                  versions={versions}
                  alerters={alerters}
                  other={options.get("other")}
                />
              )}
              <Freeze entity={entity} />
              <section aria-labelledby="changes">
                <h2 id="changes">Changes</h2>
                {revisions.length ? (
                  <Revisions revisions={revisions} now={api.now()} />
                ) : (
                  <Empty>No changes.</Empty>
                )}
              </section>
            </>
          );
        }}
      </Await>
    </>
  );
}
