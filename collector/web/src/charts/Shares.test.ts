import { expect, test } from "vitest";
import { described } from "./Shares";

test("the picture in words has only the marked shares", () => {
  const shares = [
    { name: "exactly 0", before: 0, now: 0.17, marked: true },
    { name: "[1, 2)", before: 0.5, now: 0.4, marked: false },
  ];
  expect(described(shares)).toBe("exactly 0: 0 % before, 17.0 % now");
});
