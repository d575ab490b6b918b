import * as api from "../../api";
import { Await } from "../../parts/Await";
import { OneOf } from "../../parts/Choices";
import { Fact, FactList } from "../../parts/FactList";
import * as format from "../../parts/format";
import { ListTable } from "../../parts/ListTable";
import { usePolled } from "../../parts/polled";
import { setOptions } from "../../router";
import { Choose } from "./Choose";
import { Remove } from "./Remove";
import { distancesOf, LEARNED, stateOf } from "./words";

/** One version: warnings of small columns, the forms that make it current and remove it, and another to compare. */
export function Version({
  version,
  versions,
  alerters,
  other,
}: {
  version: api.Reference;
  versions: readonly api.Reference[];
  alerters: readonly api.Alerter[];
  other: string | null; // digest
}) {
  const polled = usePolled(version.digest, (signal) =>
    api.referenceVersion(version, signal),
  );
  const state = stateOf(version, versions, api.now());
  const others = versions.filter((one) => one.digest !== version.digest);
  const side = others.find((one) => one.digest === other) ?? others.find((one) => one.current) ?? others[0];
  return (
    <section aria-labelledby="version">
      <h2 id="version">
        Version {version.digest} of {version.name}
      </h2>
      <Await polled={polled}>
        {({ columns, warnings }) => (
          <>
            <FactList>
              <Fact name="state">{state}</Fact>
              <Fact name="rows">{format.count(version.rows)}</Fact>
              <Fact name="columns">{format.count(columns.length)}</Fact>
              <Fact name="expires">{version.expires === null ? "never" : format.time(version.expires)}</Fact>
            </FactList>
            {warnings.map((each) => (
              <p key={each} role="note">
                <strong>Too small:</strong> {each}
              </p>
            ))}
          </>
        )}
      </Await>
      {version.name !== LEARNED && <Choose version={version} state={state} />}
      {version.name !== LEARNED && version.current && <Remove version={version} alerters={alerters} />}
      {side && (
        <>
          <OneOf
            legend="Compare with"
            name="other"
            options={others.map((one) => ({ id: one.digest, name: `${one.name} ${one.digest}` }))}
            chosen={side.digest}
            onChoose={(digest) => setOptions({ other: digest })}
          />
          <Compared key={side.digest} version={version} other={side} />
        </>
      )}
    </section>
  );
}

function Compared({ version, other }: { version: api.Reference; other: api.Reference }) {
  const question = { entity: version.entity, reference: version.digest, other: other.digest };
  const polled = usePolled(JSON.stringify(question), (signal) => api.compareReferences(question, signal));
  return (
    <Await polled={polled}>
      {({ columns }) => (
        <ListTable>
          <caption>
            Distance of {other.digest} (second) from {version.digest} (first)
          </caption>
          <thead>
            <tr>
              <th scope="col">Column</th>
              <th scope="col">Distance</th>
            </tr>
          </thead>
          <tbody>
            {columns.map((each) => (
              <tr key={each.summary}>
                <th scope="row">{each.summary}</th>
                <td data-name="distance">{distancesOf(each)}</td>
              </tr>
            ))}
          </tbody>
        </ListTable>
      )}
    </Await>
  );
}
