import { expect, test } from "vitest";
import { leading, pairs } from "./categories";

const of = (entries: Record<string, number>) =>
  Object.entries(entries).map(([value, ratio]) => ({ value, count: 0, ratio }));

test("a pair keeps what only one side has", () => {
  expect(pairs(of({ a: 0.2, b: 0.8 }), of({ a: 0.9, c: 0.1 }))).toEqual([
    { value: "a", current: 0.2, reference: 0.9 },
    { value: "b", current: 0.8, reference: null },
    { value: "c", current: null, reference: 0.1 },
  ]);
});

test("leading categories are those with most over all windows", () => {
  expect(leading([of({ a: 0.4, b: 0.6 }), of({ a: 0.9 })], 1)).toEqual(["a"]);
});
