/** The parsed sources of the pages, for tests of their structure. */

import { parseSync } from "vite";

/** The text of every module except tests, by its path from the root: "/src/api/client.ts". */
export const SOURCES: Readonly<Record<string, string>> = import.meta.glob<string>(
  ["/src/**/*.ts", "/src/**/*.tsx", "!/src/**/*.test.ts", "!/src/testing/**"],
  { query: "?raw", import: "default", eager: true },
);

export interface Node {
  type: string;
  [field: string]: unknown;
}

const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && typeof (value as Node).type === "string";

/** Every node of the syntax tree of *text*. */
export function nodesOf(path: string, text: string): Node[] {
  const { program, errors } = parseSync(path, text);
  if (errors.length) throw new SyntaxError(`${path}: ${errors[0]!.message}`);
  const found: Node[] = [];
  const waiting: unknown[] = [program];
  while (waiting.length) {
    const value = waiting.pop();
    if (isNode(value)) found.push(value);
    if (typeof value === "object" && value !== null) waiting.push(...Object.values(value));
  }
  return found;
}

/** The names that a module imports, statically or dynamically; null for a computed name. */
export const importsOf = (path: string, text: string): (string | null)[] =>
  nodesOf(path, text)
    .filter(({ type }) => /^(Import(Declaration|Expression)|Export.*Declaration|TSImportType)$/.test(type))
    .flatMap(({ source }) => (isNode(source) ? [nameIn(source)] : []));

const nameIn = ({ value }: Node): string | null => (typeof value === "string" ? value : null);

/** The path of the module that *from* imports as *name*; undefined for packages and style sheets. */
export function moduleOf(name: string, from: string): string | undefined {
  if (!name.startsWith(".") || name.endsWith(".css")) return undefined;
  const path = new URL(name, `file://${from}`).pathname;
  const found = [`${path}.ts`, `${path}.tsx`, `${path}/index.ts`].find((each) => each in SOURCES);
  if (found === undefined) throw new Error(`${from} imports ${name}, which is not a module`);
  return found;
}

/** A circular import in a graph of modules, as a path; null if there is none. */
export function circleIn(graph: ReadonlyMap<string, readonly string[]>): string[] | null {
  const done = new Set<string>();
  const search = (module: string, above: readonly string[]): string[] | null => {
    if (above.includes(module)) return [...above.slice(above.indexOf(module)), module];
    if (done.has(module)) return null;
    for (const used of graph.get(module) ?? []) {
      const circle = search(used, [...above, module]);
      if (circle) return circle;
    }
    done.add(module);
    return null;
  };
  for (const module of graph.keys()) {
    const circle = search(module, []);
    if (circle) return circle;
  }
  return null;
}
