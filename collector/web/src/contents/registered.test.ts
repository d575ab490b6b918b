import { h } from "preact";
import { expect, test } from "vitest";
import type { Logged } from "../api";
import { sampleOf, seriesOf } from "../testing/answers";
import { SOURCES } from "../testing/sources";
import { contentKind } from "./content";
import { KINDS, kindOf } from "./registered";
import { figuresOf } from "./unknown/figures";
import { unknownKind } from "./unknown/unknown";

const hits = (content: object) => sampleOf({ extension: { kind: "hits", content } });
const series = seriesOf(
  hits({ hit_ratio: 0.75, wait: { mean_seconds: 0.002, most: 3 }, note: "warm", edges: [0, 1] }),
  hits({ hit_ratio: 0.5, wait: { mean_seconds: 0.004, most: 5 }, note: "warm", edges: [0, 1] }),
);

test("a kind from outside is shown by the names of its fields", () => {
  const kind = kindOf(series.samples);
  expect(kind).toBe(unknownKind);
  expect(kind.glance(series)).toEqual({
    what: "hit ratio",
    values: [0.75, 0.5],
    mark: null,
    newest: "50.0 %",
  });
  const charts = kind.charts(series);
  expect(charts.map(({ title, lines }) => [title, lines.map(({ name, values }) => [name, values])])).toEqual([
    ["hit ratio", [["hit ratio", [0.75, 0.5]]]],
    ["wait", [["mean", [0.002, 0.004]], ["most", [3, 5]]]],
    ["Observations per window", [["profiled", [8, 8]], ["seen", [10, 10]]]],
  ]);
  expect(charts[0]!.statistics).toEqual(["hit_ratio"]); // an alerter's limit is drawn there
  expect(figuresOf(series.samples[0]!.extension!.content)).toEqual([
    { path: ["hit_ratio"], value: 0.75 },
    { path: ["wait", "mean_seconds"], value: 0.002 },
    { path: ["wait", "most"], value: 3 },
    { path: ["note"], value: "warm" },
    { path: ["edges"], value: "[0,1]" },
  ]);
});

test("a number that a window lacks is a gap", () => {
  const gapped = seriesOf(hits({}), sampleOf({}), hits({ hit_ratio: null }), hits({ hit_ratio: 1 }));
  expect(unknownKind.charts(gapped)[0]!.lines[0]!.values).toEqual([null, null, null, 1]);
  expect(unknownKind.glance(seriesOf(hits({ hit_ratio: 1 }), hits({}))).newest).toBe("–");
});

test("a kind that the collector does not show has its coverage", () => {
  const bare = seriesOf(sampleOf({}));
  expect(kindOf(bare.samples)).toBe(unknownKind);
  expect(unknownKind.charts(bare).map(({ title }) => title)).toEqual(["Observations per window"]);
  expect(unknownKind.glance(bare)).toMatchObject({ what: "profiled", values: [8], newest: "8" });
});

test("a kind that is added to the registry shows its own", () => {
  const own = contentKind({
    of: ({ extension }) => (extension?.kind === "hits" ? (extension.content as { hit_ratio: number }) : null),
    figures: (content) => h("p", null, `${content.hit_ratio} right`),
    charts: () => [],
    glance: (contents) => ({
      what: "right",
      values: contents.map((each) => each?.hit_ratio ?? null),
      mark: null,
      newest: "half",
    }),
  });
  const kinds = [...KINDS, own];
  expect(kindOf(series.samples, kinds)).toBe(own);
  expect(own.glance(series).values).toEqual([0.75, 0.5]);
  const other = sampleOf({ extension: { kind: "misses", content: {} } });
  expect(kindOf([other], kinds)).toBe(unknownKind);
});

test("the kind of scores has charts and a glance of its own", () => {
  const histogram = { edges: [0, 1], counts: [4] };
  const scores = { count: 4, mean: 0.25, predicted: { "0": 3, "1": 1 }, histogram, outside: 0, not_a_number: 0 };
  const scored = seriesOf(sampleOf({ scores }));
  const kind = kindOf(scored.samples);
  expect(kind.charts(scored).map(({ title, lines }) => [title, lines.map(({ values }) => values[0])])).toEqual([
    ["Mean probability", [0.25]],
    ["Share of predicted classes", [0.75, 0.25]],
    ["Probabilities per window", [4]],
  ]);
  expect(kind.glance(scored)).toMatchObject({ what: "mean", newest: "0.25" });
});

test("performance has a chart with an interval for each metric, and the first metric at a glance", () => {
  const metric = { value: 0.75, low: 0.5, high: 1, rows: 8 };
  const judged = { type: "ranking", count: 8, without_truth: 2, unusable: 0 };
  const performance = { ...judged, metrics: { hit_ratio_at_5: metric, roc_auc: { ...metric, low: null } } };
  const measured = seriesOf(sampleOf({ performance }), sampleOf({}));
  const kind = kindOf(measured.samples);
  expect(kind.charts(measured).map(({ title, band, lines }) => [title, band, lines.map(({ values }) => values)])).toEqual([
    ["hit rate at 5, with its 95 % interval", [0, 2], [[1, null], [0.75, null], [0.5, null]]],
    ["area under the ROC curve, with its 95 % interval", [0, 2], [[1, null], [0.75, null], [null, null]]],
    ["Judged predictions per window", undefined, [[8, null], [2, null]]],
  ]);
  const first = seriesOf(sampleOf({ performance }));
  expect(kind.glance(first)).toMatchObject({ what: "hit rate at 5", values: [0.75], newest: "75.0 %" });
  const nothing = seriesOf(sampleOf({ performance: { ...judged, metrics: {} } }));
  expect(kind.glance(nothing)).toMatchObject({ what: "judged", newest: "8" });
});

test("logged numbers have a line, and logged tables a row for each of theirs", () => {
  const number = { type: "number", aggregation: "mean", unit: "s", count: 2, value: 0.25 };
  const numbers = seriesOf(sampleOf({ logged: number }), sampleOf({}));
  const kind = kindOf(numbers.samples);
  expect(kind.charts(numbers).map(({ title, lines }) => [title, lines.map(({ values }) => values)])).toEqual([
    ["Value (s)", [[0.25, null]]],
    ["Samples per window", [[2, null]]],
  ]);
  const matrix = { ...number, type: "confusion_matrix", unit: "", value: undefined, labels: ["a"], rows: [[3]], accuracy: 1 };
  const text = { ...number, type: "string", unit: "", value: undefined, text: "v7" };
  const table = { ...number, type: "table", value: undefined, columns: ["a"], rows: [["x"]] };
  const glances = [number, matrix, text, table].map((each) => {
    const { value, ...rest } = each;
    const content = value === undefined ? rest : each;
    const { what, newest } = kind.glance(seriesOf(sampleOf({ logged: content as Logged })));
    return [what, newest];
  });
  expect(glances).toEqual([["value", "0.25 s"], ["accuracy", "1"], ["text", "v7"], ["samples", "2"]]);
});

test("only a kind reads its field of a sample", () => {
  const readers = Object.entries(SOURCES)
    .filter(([path]) => !path.startsWith("/src/contents/") && !path.startsWith("/src/api/types"))
    .filter(([, text]) => /\.(feature|service|scores|performance|logged|extension)\b/.test(text));
  expect(readers.map(([path]) => path)).toEqual([]);
});
