import { expect, test } from "vitest";
import { joined } from "./shades";

test("overlapping times become one", () => {
  const shades = [{ from: 5, to: 9 }, { from: 1, to: 3 }, { from: 2, to: 4 }, { from: 8, to: 8.5 }];
  expect(joined(shades)).toEqual([{ from: 1, to: 4 }, { from: 5, to: 9 }]);
});
