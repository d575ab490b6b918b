import { entityLink } from "../router";

/** Links to other entities, or a word that there are none. */
export function Edges({ names }: { names: readonly string[] }) {
  if (!names.length) return <span class="faint">none</span>;
  return (
    <>
      {names.map((name, at) => (
        <span key={name}>
          {at > 0 && ", "}
          <a href={entityLink(name)}>{name}</a>
        </span>
      ))}
    </>
  );
}
