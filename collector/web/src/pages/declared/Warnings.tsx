import type { DeclaredObject } from "../../api";
import { Fact, FactList } from "../../parts/FactList";
import { titleOf } from "./titles";

/** Names in declared objects that point nowhere, and times that have passed or soon will; nothing if there are none. */
export function Warnings({ objects }: { objects: readonly DeclaredObject[] }) {
  const warned = objects.filter((each) => each.warnings.length > 0);
  if (!warned.length) return null;
  return (
    <section aria-labelledby="warnings">
      <h2 id="warnings">Warnings</h2>
      <FactList>
        {warned.map((each) => (
          <Fact key={`${each.kind}\n${each.entity}\n${each.name}`} name={titleOf(each)}>
            {each.warnings.join("; ")}
          </Fact>
        ))}
      </FactList>
    </section>
  );
}
