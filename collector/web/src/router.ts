/** The router: the fragment of the URL names the page and its options, so that links work. */

import { useEffect, useState } from "preact/hooks";

export interface Pattern {
  path: string; // "entity/:entity"; a part with a colon takes any text
}

export interface Match<R extends Pattern> {
  route: R;
  parameters: readonly string[]; // texts of the parts with a colon, in order
  options: URLSearchParams;
}

/** The first route whose path is the beginning of the fragment's path; an empty path matches all. */
export function matchOf<R extends Pattern>(routes: readonly R[], fragment: string): Match<R> | null {
  const [path = "", query = ""] = fragment.replace(/^#\/?/, "").split("?");
  const parts = path.split("/").map(decodeSafely);
  for (const route of routes) {
    const parameters = parametersOf(route.path, parts);
    if (parameters) return { route, parameters, options: new URLSearchParams(query) };
  }
  return null;
}

function parametersOf(pattern: string, parts: readonly string[]): string[] | null {
  const parameters: string[] = [];
  for (const [i, wanted] of (pattern ? pattern.split("/") : []).entries()) {
    const part = parts[i];
    if (!part) return null;
    if (wanted.startsWith(":")) parameters.push(part);
    else if (wanted !== part) return null;
  }
  return parameters;
}

function decodeSafely(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a stray per cent sign typed by hand
  }
}

export const entityLink = (entity: string): string => `#/entity/${encodeURIComponent(entity)}`;

/** The page of the references of an entity, with one version chosen. */
export function referencesLink(entity: string, version?: { name: string; digest: string }): string {
  const path = `${entityLink(entity)}/references`;
  if (version === undefined) return path;
  return `${path}?${new URLSearchParams({ name: version.name, version: version.digest }).toString()}`;
}

export const performanceLink = (entity: string): string => `${entityLink(entity)}/performance`;

/** The page of a summary. The samples of `service` also hold `service.first_token` and its like. */
export function summaryLink(entity: string, summary: string, options?: URLSearchParams): string {
  const stored = summary.startsWith("service.") ? "service" : summary;
  const path = `${entityLink(entity)}/summary/${encodeURIComponent(stored)}`;
  const query = options?.toString();
  return query ? `${path}?${query}` : path;
}

export const episodeLink = (entity: string, id: number): string => `${entityLink(entity)}/episode/${id}`;

/** The fragment of the page's URL, as state that follows its changes. */
export function useFragment(): string {
  const [fragment, setFragment] = useState(location.hash);
  useEffect(() => {
    const moved = (): void => setFragment(location.hash);
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  return fragment;
}

/** Change options of the current page, without a new entry in the browser's history. */
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
