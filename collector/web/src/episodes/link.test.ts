import { expect, test } from "vitest";
import { link } from "./link";

const episode = { entity: "fraud", summary: "input.amount", labels: {}, reference: "", measured: 120 };

test("a link keeps the labels and the time of the figure", () => {
  const labels = { region: "eu", version: "2" };
  expect(link({ ...episode, labels, reference: "training" })).toBe(
    "#/entity/fraud/summary/input.amount?reference=training&label=region%3Aeu&label=version%3A2&time=120",
  );
});

test("an episode about the monitoring links to its entity", () => {
  expect(link({ ...episode, summary: "nilometer.agents" })).toBe("#/entity/fraud");
});
