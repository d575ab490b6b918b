import { expect, test, vi } from "vitest";
import { address, now, storage } from "./client";

test("an address is relative to the page and leaves out what is not asked", () => {
  expect(address("/api/v1/entities", {})).toBe("api/v1/entities");
  expect(
    address("/api/v1/samples", {
      entity: "a&b",
      summary: "input.x",
      start: 60,
      reference: undefined,
      label: ["model:v1", "model:v2"],
    }),
  ).toBe("api/v1/samples?entity=a%26b&summary=input.x&start=60&label=model%3Av1&label=model%3Av2");
});

test("the time is the collector's, although the clock of the browser is slow", async () => {
  const date = new Date(Date.now() + 7_200_000).toUTCString();
  vi.stubGlobal("fetch", () => Promise.resolve(new Response('{"levels": []}', { headers: { date } })));
  await storage();
  vi.unstubAllGlobals();
  expect(Math.abs(now() - Date.parse(date) / 1000)).toBeLessThan(60);
});

test("a path or a parameter that the document does not have is no type", () => {
  // @ts-expect-error no such path
  address("/api/v1/entites", {});
  // @ts-expect-error no such parameter
  address("/api/v1/summaries", { entiti: "a" });
  // @ts-expect-error a required parameter is missing
  address("/api/v1/samples", { entity: "a" });
  // @ts-expect-error a text where a number belongs
  address("/api/v1/samples", { entity: "a", summary: "b", start: "60" });
  // @ts-expect-error a parameter where there are none
  address("/api/v1/entities", { entity: "a" });
  // @ts-expect-error an optional parameter of another path
  address("/api/v1/alerters", { open: true });
});
