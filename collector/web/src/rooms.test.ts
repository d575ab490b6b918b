import { expect, test } from "vitest";

const ROOMS = ["api", "parts", "charts", "episodes", "pages"]; // each may use those before it

const sources = import.meta.glob<string>(["./*/**/*.ts", "./*/**/*.tsx"], {
  query: "?raw",
  import: "default",
  eager: true,
});
const roomOf = (path: string): number => ROOMS.indexOf(path.split("/")[1]!);

test.each(Object.entries(sources).filter(([path]) => roomOf(path) >= 0))(
  "%s uses no room above its own",
  (path, source) => {
    const used = [...source.matchAll(/from "(?:\.\.\/)+(\w+)/g)].map((match) => match[1]!);
    expect(used.filter((room) => ROOMS.indexOf(room) > roomOf(path))).toEqual([]);
  },
);
