import { expect, test } from "vitest";
import { ticks } from "./ticks";

test("ticks are round and inside", () => {
  expect(ticks(0, 1)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
  expect(ticks(-0.13, 0.31, 4)).toEqual([0, 0.2]);
  expect(ticks(3, 3)).toEqual([3]);
});
