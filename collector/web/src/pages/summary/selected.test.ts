import { expect, test } from "vitest";
import { sampleOf } from "../../testing/answers";
import { selectedOf } from "./selected";

const samples = [0, 60, 120].map((start) => sampleOf({ window_start: start, window_end: start + 60 }));
const selected = (query: string): number => selectedOf(samples, new URLSearchParams(query));

test("the newest window is shown without a choice", () => {
  expect(selected("")).toBe(2);
  expect(selected("window=7")).toBe(2);
  expect(selected("time=9999")).toBe(2);
});

test("a link of an episode shows the window that ends at its time", () => {
  expect(selected("time=60")).toBe(0);
  expect(selected("time=61")).toBe(1);
});

test("a window that the reader chose comes before the time of the link", () => {
  expect(selected("time=60&window=60")).toBe(1);
});
