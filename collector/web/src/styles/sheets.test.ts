import { describe, expect, test } from "vitest";

const sheets = import.meta.glob<string>("../**/*.css", {
  query: "?raw",
  import: "default",
  eager: true,
});
const sources = import.meta.glob<string>(["../**/*.ts", "../**/*.tsx", "!../**/*.test.ts"], {
  query: "?raw",
  import: "default",
  eager: true,
});

const found = (text: string, pattern: RegExp): string[] =>
  [...new Set([...text.matchAll(pattern)].map((match) => match[1]!))].sort();
const bare = (sheet: string): string => sheet.replaceAll(/\/\*.*?\*\//gs, "");
const classesOf = (sheet: string): string[] => found(bare(sheet), /\.([a-z][\w-]*)(?=[^{}]*\{)/gi);

describe.each(Object.entries(sheets))("%s", (_, sheet) => {
  test("is short", () => {
    expect(sheet.split("\n").length).toBeLessThanOrEqual(200);
  });

  test("takes every font size from the scale", () => {
    const sizes = found(bare(sheet), /font(?:-size)?:\s*([^;]+);/g);
    expect(sizes.filter((size) => !/^(var\(--text-\w+\)|inherit)/.test(size))).toEqual([]);
  });
});

test.each(Object.keys(sheets).filter((path) => path.endsWith(".module.css")))(
  "%s has exactly the classes that its component uses",
  (path) => {
    const component = sources[path.replace(".module.css", ".tsx")] ?? "";
    expect(found(component, /\bstyles\.(\w+)/g)).toEqual(classesOf(sheets[path]!));
  },
);

test("a class named in words is one of those that all components share", () => {
  const attributes = Object.values(sources).flatMap((source) => found(source, /\bclass=("[^"]*"|\{.*?\}(?=[\s>]))/g));
  const words = attributes
    .map((attribute) => attribute.replaceAll(/\$\{.*?\}/g, ""))
    .flatMap((attribute) => found(attribute, /["`]([^"`]*)["`]/g))
    .flatMap((text) => text.split(/\s+/).filter(Boolean));
  expect([...new Set(words)].sort()).toEqual(classesOf(sheets["./words.css"]!));
});

test("every token is used, and every token that is used exists", () => {
  const everything = [...Object.values(sheets).map(bare), ...Object.values(sources)].join("\n");
  const declared = found(bare(sheets["./tokens.css"]!), /(--[\w-]+):/g);
  const named = found(everything, /var\((--[\w-]+)\)/g);
  const drawn = found(everything, /\btone(?:\(|: )"([\w-]+)"/g).map((name) => `--${name}`); // on a canvas
  expect([...new Set([...named, ...drawn])].sort()).toEqual(declared);
});
