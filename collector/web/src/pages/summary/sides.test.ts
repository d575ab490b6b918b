import { expect, test } from "vitest";
import { sampleOf } from "../../testing/answers";
import { sides } from "./sides";

const HOUR = 3600;
const windows = (...starts: number[]) =>
  starts.map((start) => sampleOf({ window_start: start, window_end: start + HOUR }));

test("a window is compared with the one before, whatever lies between, and with other times", () => {
  const found = sides(windows(0, 5 * HOUR), 1, {});
  expect(found.map(({ id }) => id)).toEqual(["before", "day", "week"]);
  expect(found.map(({ query }) => query.other_earlier)).toEqual([5 * HOUR, 24 * HOUR, 168 * HOUR]);
  expect(sides(windows(0, 5 * HOUR), 0, {}).map(({ id }) => id)).toEqual(["day", "week"]);
});

test("a window of a week has no other window within the week", () => {
  const week = sampleOf({ window_start: 0, window_end: 168 * HOUR });
  expect(sides([week], 0, {}).map(({ id }) => id)).toEqual(["week"]);
});

test("a window is compared with segments, up to a number", () => {
  const labels = { zone: ["a"], region: ["eu", "us"], pod: Array.from({ length: 50 }, (_, at) => `p${at}`) };
  const found = sides(windows(0), 0, labels).slice(2);
  expect(found).toHaveLength(12);
  expect(found[0]).toEqual({
    id: "label:region:eu",
    name: "region:eu",
    query: { other_label: ["region:eu"] },
  });
});
