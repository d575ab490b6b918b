import { expect, test } from "vitest";
import { type Node, nodesOf, SOURCES } from "../testing/sources";

const REFUSED = new Set<unknown>(["style", "cssText", "fontSize", "font-size"]);
const FONT = /\d(px|pt|r?em)[ /]/; // a size before a family, as a canvas takes them

/** Styles that a module sets by itself; the content security policy forbids most of them. */
function stylesIn(path: string, text: string): unknown[] {
  const nodes = nodesOf(path, text);
  const of = (wanted: string, part: (node: Node) => unknown): unknown[] =>
    nodes.filter(({ type }) => type === wanted).map(part);
  const literals = of("Literal", ({ value }) => value);
  const names = [
    ...of("JSXIdentifier", ({ name }) => name),
    ...of("MemberExpression", ({ property }) => (property as Node).name),
    ...of("Property", ({ key }) => (key as Node).name),
    ...literals,
  ];
  const texts = [...of("TemplateElement", ({ value }) => (value as { raw: string }).raw), ...literals];
  return [
    ...names.filter((each) => REFUSED.has(each)),
    ...texts.filter((each) => typeof each === "string" && FONT.test(each)),
  ];
}

test.each(Object.entries(SOURCES))("%s leaves styles to the sheets", (path, text) => {
  expect(stylesIn(path, text)).toEqual([]);
});

test.each([
  `<p style={{ fontSize: "19px" }} />`,
  `<p style="color: red" />`,
  `<text font-size="19" />`,
  `<p {...{ style: {} }} />`,
  `<style>{"p {}"}</style>`,
  `element.style.width = "1px"`,
  `element.setAttribute("style", "")`,
  `context.font = "19px serif"`,
  "context.font = `19px ${family}`",
])("%s is refused", (text) => {
  expect(stylesIn("some.tsx", text)).not.toEqual([]);
});
