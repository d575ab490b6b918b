import { describe, expect, test } from "vitest";
import { ascending, DENSE, layoutOf, ROOMY, type Flow } from "./layout";

const flows = (...pairs: string[]): Flow[] =>
  pairs.map((pair) => ({ source: pair.split(">")[0]!, reader: pair.split(">")[1]! }));

const columns = (given: Flow[]): string[][] => {
  const found = new Map<number, string[]>();
  for (const { name, x } of layoutOf(given, DENSE).nodes) found.set(x, [...(found.get(x) ?? []), name]);
  return [...found].sort(([a], [b]) => a - b).map(([, names]) => names);
};

test("a reader is right of all its sources, and a source close to its reader", () => {
  expect(columns(flows("a>b", "b>c", "a>c", "d>c"))).toEqual([["a"], ["b", "d"], ["c"]]);
});

test("the order of the edges does not change the layout", () => {
  const given = flows("a>b", "b>c", "a>c", "d>c", "c>a");
  const places = (each: Flow[]): unknown => layoutOf(each, DENSE).nodes;
  expect(places([...given].reverse())).toEqual(places(given));
});

describe.each([
  ["no edge", []],
  ["one that reads itself", flows("a>a")],
  ["two that read each other", flows("a>b", "b>a")],
  ["a long cycle", flows("a>b", "b>c", "c>d", "d>a", "d>b")],
  ["an edge over three layers", flows("a>b", "b>c", "c>d", "a>d")],
  ["sixty", Array.from({ length: 120 }, (_, at) => `e${(at * 7) % 60}>e${(at * 13 + 5) % 60}`).flatMap((pair) => flows(pair))],
])("%s", (_, given) => {
  const { nodes, lines, width, height } = layoutOf(given, ROOMY);

  test("no nodes overlap, and all are inside", () => {
    for (const [at, one] of nodes.entries()) {
      expect(one.x >= 0 && one.y >= 0 && one.x + ROOMY.width <= width && one.y + ROOMY.height <= height + 1e-6).toBe(true);
      for (const other of nodes.slice(at + 1)) {
        const apart = Math.abs(one.x - other.x) >= ROOMY.width || Math.abs(one.y - other.y) >= ROOMY.height;
        expect(apart, `${one.name} and ${other.name}`).toBe(true);
      }
    }
  });

  test("every edge has a line between its ends", () => {
    const at = new Map(nodes.map((node) => [node.name, node]));
    expect(lines.map(({ flow }) => flow)).toEqual(given);
    for (const { flow, path } of lines) {
      const start = Number(/^M([\d.]+)/.exec(path)![1]);
      const { x } = at.get(flow.source)!;
      expect([x, x + ROOMY.width]).toContain(start);
      expect(path).not.toContain("NaN");
    }
  });
});

test("edges that need not cross do not cross", () => {
  const y = new Map(layoutOf(flows("a>z", "b>y", "c>x"), ROOMY).nodes.map((node) => [node.name, node.y]));
  expect(y.get("a")).toBe(y.get("z"));
  expect(y.get("b")).toBe(y.get("y"));
});

test("the closest ascending numbers share the mean of those out of order", () => {
  expect(ascending([1, 3, 2, 5])).toEqual([1, 2.5, 2.5, 5]);
  expect(ascending([3, 2, 1])).toEqual([2, 2, 2]);
  expect(ascending([])).toEqual([]);
});
