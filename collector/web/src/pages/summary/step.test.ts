import { expect, test } from "vitest";
import { step } from "./step";

test("windows are merged only when there are too many, to a multiple of their length", () => {
  expect(step(3600, 60, 360)).toBeUndefined();
  expect(step(86400, 60, 360)).toBe(300);
  expect(step(365 * 86400, 86400, 400)).toBeUndefined();
  expect(step(1000 * 86400, 86400, 400)).toBe(3 * 86400);
  expect(step(7200, 7, 100)).toBe(77);
});
