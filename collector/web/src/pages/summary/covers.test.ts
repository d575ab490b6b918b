import { expect, test } from "vitest";
import { covers } from "./covers";

test("a glob covers what it names and nothing more", () => {
  expect(covers("input.*", "input.distance")).toBe(true);
  expect(covers("input.*", "inputs.distance")).toBe(false);
  expect(covers("service", "service")).toBe(true);
});
