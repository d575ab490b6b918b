import { expect, test } from "vitest";
import * as format from "./format";

const NEW_YEAR_2013 = Date.UTC(2013, 0, 1) / 1000;

test("a number keeps about four digits and no false zeros", () => {
  expect([0, 1.5, 3.14159, -0.25, 1305.2, 123456, 0.00001234, 2e12].map((each) => format.number(each))).toEqual(
    ["0", "1.5", "3.142", "−0.25", "1,305", "123,456", "1.23e-5", "2.00e+12"],
  );
});

test("what does not exist is a dash", () => {
  expect([format.number(null), format.percent(undefined), format.count(NaN), format.time(null)]).toEqual(
    ["–", "–", "–", "–"],
  );
});

test("a small ratio does not become nothing", () => {
  expect([0, 0.00001, 0.004, 0.5, 1].map(format.percent)).toEqual(
    ["0 %", "< 0.01 %", "0.40 %", "50.0 %", "100 %"],
  );
});

test("a latency is shown in its own unit", () => {
  expect([0.0000042, 0.0031, 2.5].map(format.latency)).toEqual(["4.2 µs", "3.1 ms", "2.5 s"]);
});

test("a size is shown in its largest unit", () => {
  expect([0, 1023, 1536, 3 * 2 ** 30, 5e15].map(format.size)).toEqual(
    ["0 B", "1,023 B", "1.5 KiB", "3 GiB", "4,547 TiB"],
  );
});

test("a window of a whole day is its date", () => {
  expect(format.window(NEW_YEAR_2013, NEW_YEAR_2013 + 86400)).toBe("2013-01-01 UTC");
  expect(format.window(NEW_YEAR_2013, NEW_YEAR_2013 + 60)).toBe("2013-01-01 00:00 to 00:01 UTC");
  expect(format.window(NEW_YEAR_2013 - 60, NEW_YEAR_2013)).toBe(
    "2012-12-31 23:59 to 2013-01-01 00:00 UTC",
  );
});

test("an age is told only while it says more than the date", () => {
  expect(format.ago(100, 190)).toBe("90 s ago");
  expect(format.ago(NEW_YEAR_2013, 2e9)).toBe("");
});

test("a table shows the first line of a text, up to 80 characters", () => {
  expect(format.firstLine("Scores payments.\nPaged at night.")).toBe("Scores payments.");
  expect(format.firstLine("x".repeat(81))).toBe(`${"x".repeat(79)}…`);
});
