import { expect, test } from "vitest";
import { entityLink, episodeLink, matchOf, referencesLink, summaryLink } from "./router";
import { ROUTES, titleOf } from "./routes";

const shown = (fragment: string) => {
  const match = matchOf(ROUTES, fragment)!;
  return [match.route.path, match.parameters, titleOf(match.route.crumbs(match.parameters))];
};

test("a link leads to the page that it names", () => {
  expect(shown(entityLink("a/b"))).toEqual(["entity/:entity", ["a/b"], "a/b · nilometer"]);
  expect(shown(summaryLink("fraud", "input.x y"))).toEqual([
    "entity/:entity/summary/:summary",
    ["fraud", "input.x y"],
    "input.x y · fraud · nilometer",
  ]);
});

test("a link to a version of a reference leads to the references of its entity", () => {
  const link = referencesLink("a/b", { name: "x&y", digest: "eb0087" });
  expect(shown(link)).toEqual(["entity/:entity/references", ["a/b"], "References · a/b · nilometer"]);
  const { options } = matchOf(ROUTES, link)!;
  expect([options.get("name"), options.get("version")]).toEqual(["x&y", "eb0087"]);
});

test("a link to an episode leads to its page", () => {
  expect(shown(episodeLink("a/b", 7))).toEqual([
    "entity/:entity/episode/:episode",
    ["a/b", "7"],
    "episode 7 · a/b · nilometer",
  ]);
});

test.each(["", "#/", "#/entity", "#/entity/", "#/unknown/page"])("%j shows the home page", (fragment) => {
  expect(shown(fragment)).toEqual(["", [], "nilometer"]);
});

test.each(["#/entity/a/summary", "#/entity/a/summary/", "#/entity/a/else/b"])(
  "%j shows the entity",
  (fragment) => {
    expect(shown(fragment)).toEqual(["entity/:entity", ["a"], "a · nilometer"]);
  },
);

test("the crumbs of a summary lead back to its entity", () => {
  const match = matchOf(ROUTES, summaryLink("a/b", "input.x"))!;
  expect(match.route.crumbs(match.parameters)).toEqual([
    { name: "a/b", href: entityLink("a/b") },
    { name: "input.x" },
  ]);
});

test("options follow the path, and a stray per cent sign is kept", () => {
  const match = matchOf(ROUTES, "#/entity/5%?range=1h&label=a:b&label=c:d")!;
  expect(match.parameters).toEqual(["5%"]);
  expect(match.options.getAll("label")).toEqual(["a:b", "c:d"]);
});
