import { expect, test } from "vitest";
import { fieldLine, titleOf } from "./titles";

test("a title names the entity of an object once", () => {
  expect(titleOf({ kind: "alerter", entity: "fraud", name: "late" })).toBe("alerter late of fraud");
  expect(titleOf({ kind: "entity", entity: "fraud", name: "fraud" })).toBe("entity fraud");
});

test("a field shows its old and its new value", () => {
  expect(fieldLine({ field: "threshold", before: "2", after: "3" })).toBe("threshold: 2 → 3");
  expect(fieldLine({ field: "owner", before: null, after: '"a"' })).toBe('owner: not set → "a"');
});
