/** The page of declared objects: names in them that point nowhere, and who changed what, and when; the audit log. */

import * as api from "../../api";
import { Await } from "../../parts/Await";
import { Empty } from "../../parts/Empty";
import { ListTable } from "../../parts/ListTable";
import { usePolled } from "../../parts/polled";
import { AuditLog } from "./AuditLog";
import { Revisions } from "./Revisions";
import { Warnings } from "./Warnings";

export function DeclaredPage() {
  const polled = usePolled("declared", async (signal) => {
    const [objects, revisions, audit] = await Promise.all([
      api.objects(undefined, signal),
      api.changes(signal),
      api.audit(signal),
    ]);
    return { objects, revisions, audit };
  });
  return (
    <>
      <h1>Declared objects</h1>
      <Await polled={polled}>
        {({ objects, revisions, audit }) => (
          <>
            <Warnings objects={objects} />
            <section aria-labelledby="objects">
              <h2 id="objects">Objects</h2>
              {objects.length ? <Objects objects={objects} /> : <Empty>Nothing is declared.</Empty>}
            </section>
            <section aria-labelledby="changes">
              <h2 id="changes">Changes</h2>
              {revisions.length ? (
                <Revisions revisions={revisions} now={Date.now() / 1000} />
              ) : (
                <Empty>No changes.</Empty>
              )}
            </section>
            <section aria-labelledby="audit">
              <h2 id="audit">Audit log</h2>
              {audit.length ? (
                <AuditLog entries={audit} now={Date.now() / 1000} />
              ) : (
                <Empty>No entries that you may see.</Empty>
              )}
            </section>
          </>
        )}
      </Await>
    </>
  );
}

function Objects({ objects }: { objects: readonly api.DeclaredObject[] }) {
  return (
    <ListTable>
      <caption class="hidden">Declared objects</caption>
      <thead>
        <tr>
          <th scope="col">Name</th>
          <th scope="col">Kind</th>
          <th scope="col">Entity</th>
        </tr>
      </thead>
      <tbody>
        {objects.map((each) => (
          <tr key={`${each.kind}\n${each.entity}\n${each.name}`}>
            <th scope="row">{each.name}</th>
            <td data-name="kind">{each.kind}</td>
            <td data-name="entity">{each.entity}</td>
          </tr>
        ))}
      </tbody>
    </ListTable>
  );
}
