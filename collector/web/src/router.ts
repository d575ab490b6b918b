/** Places inside the pages, kept in the address's fragment so that any of them can be linked to. */

import { useEffect, useState } from "preact/hooks";

export interface Place {
  entity: string | null;
  summary: string | null;
  options: URLSearchParams;
}

export function placeOf(fragment: string): Place {
  const [path = "", query = ""] = fragment.replace(/^#\/?/, "").split("?");
  const [kind, entity, deeper, summary] = path.split("/").map(decodeSafely);
  const known = kind === "entity" && entity;
  return {
    entity: known ? entity : null,
    summary: known && deeper === "summary" && summary ? summary : null,
    options: new URLSearchParams(query),
  };
}

function decodeSafely(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a stray per cent sign typed by hand
  }
}

export const entityLink = (entity: string): string => `#/entity/${encodeURIComponent(entity)}`;

export function summaryLink(
  entity: string,
  summary: string,
  options: Record<string, string> = {},
): string {
  const query = new URLSearchParams(options).toString();
  const path = `${entityLink(entity)}/summary/${encodeURIComponent(summary)}`;
  return query ? `${path}?${query}` : path;
}

export function usePlace(): Place {
  const [place, setPlace] = useState(() => placeOf(location.hash));
  useEffect(() => {
    const moved = (): void => setPlace(placeOf(location.hash));
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  return place;
}

/** Change options of the place that is shown, without a new entry in the browser's history. */
export function setOptions(changes: Record<string, string | readonly string[] | null>): void {
  const [path = "#/", query = ""] = location.hash.split("?");
  const options = new URLSearchParams(query);
  for (const [key, value] of Object.entries(changes)) {
    options.delete(key);
    if (value === null) continue;
    for (const each of typeof value === "string" ? [value] : value) options.append(key, each);
  }
  const text = options.toString();
  history.replaceState(null, "", text ? `${path}?${text}` : path);
  dispatchEvent(new HashChangeEvent("hashchange"));
}
