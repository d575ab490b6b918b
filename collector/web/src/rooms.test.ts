import { expect, test } from "vitest";
import { circleIn, importsOf, moduleOf, SOURCES } from "./testing/sources";

const ROOMS = [ // a room may import only the rooms before it
  ...["router", "api", "parts", "charts", "contents", "conditions", "episodes", "pages"],
  ...["routes", "App", "main"],
];

const roomOf = (path: string): string => path.split("/")[2]!.replace(/\.tsx?$/, "");
const heightOf = (path: string): number => ROOMS.indexOf(roomOf(path));
const usedBy = (path: string): string[] =>
  importsOf(path, SOURCES[path]!).flatMap((name) => moduleOf(name!, path) ?? []);

test("every module belongs to a room", () => {
  expect([...new Set(Object.keys(SOURCES).map(roomOf))].sort()).toEqual([...ROOMS].sort());
});

test.each(Object.entries(SOURCES))("%s names what it imports", (path, text) => {
  expect(importsOf(path, text)).not.toContain(null);
});

test.each(Object.keys(SOURCES))("%s uses no room above its own", (path) => {
  expect(usedBy(path).filter((used) => heightOf(used) > heightOf(path))).toEqual([]);
});

test("no module leads back to itself", () => {
  expect(circleIn(new Map(Object.keys(SOURCES).map((path) => [path, usedBy(path)])))).toBeNull();
});

test("imports are seen however they are written", () => {
  const text = `
    import type { A } from "./a";
    import "./b";
    export * from "./c";
    const d = () => import("./d");
    const e = (name: string) => import(name);
    type F = import("./f").F;
  `;
  expect(importsOf("some.ts", text).map(String).sort()).toEqual(
    ["./a", "./b", "./c", "./d", "./f", "null"],
  );
});

test("a circle is found wherever it begins", () => {
  const graph = new Map([["a", ["b"]], ["b", ["c", "d"]], ["c", []], ["d", ["b"]]]);
  expect(circleIn(graph)).toEqual(["b", "d", "b"]);
  expect(circleIn(new Map([["a", ["b", "c"]], ["b", ["c"]], ["c", []]]))).toBeNull();
});
