import { expect, test } from "vitest";
import { mergedWords } from "./merged";

const labels = { version: ["1", "2"], region: ["eu"] };

test("several versions are named", () => {
  expect(mergedWords(labels, [])).toBe("version 1, 2");
});

test("one chosen version is not mixed", () => {
  expect(mergedWords(labels, ["version:2"])).toBe("");
  expect(mergedWords(labels, ["version:1", "version:2"])).toBe("version 1, 2");
});

test("many values are counted", () => {
  expect(mergedWords({ user: ["a", "b", "c", "d", "e", "f", "g"] }, [])).toBe("user a, b, c, d, e and 2 more");
});
