import { expect, test } from "vitest";
import type { Decision } from "../api";
import { timeline } from "./timeline";

const decision: Decision = {
  kind: "silenced",
  author: "alice",
  reason: "known since Monday",
  made: 150,
  until: 3750,
  summary: "",
  labels: {},
  pending: false,
  lapsed: false,
};

test("a new normal that came too late says so", () => {
  const late: Decision = { ...decision, kind: "new_normal", until: null, summary: "input.amount", lapsed: true };
  const [turn] = timeline({ history: [], decisions: [late] });
  expect(turn?.words).toBe(
    "alice accepted the new normal of input.amount, but the part had closed before, so nothing was learned: known since Monday",
  );
});

test("decisions stand between openings and closings, with their author, reason and end", () => {
  const turns = timeline({
    history: [
      { at: 100, status: "ALERTING", value: 1, evidence: "it moved" },
      { at: 200, status: "LEARNING", value: 1, evidence: "prices rose" },
    ],
    decisions: [
      decision,
      { ...decision, kind: "new_normal", made: 160, until: null, summary: "input.amount", pending: true },
    ],
  });
  expect(turns.map(({ at }) => at)).toEqual([100, 150, 160, 200]);
  expect(turns[0]?.words).toBe("opened: it moved");
  expect(turns[1]?.words).toMatch(/^alice silenced it until .*: known since Monday$/);
  expect(turns[2]?.words).toBe(
    "alice accepted the new normal of input.amount, which is being learned: known since Monday",
  );
  expect(turns[3]?.words).toBe("closed, learning anew: prices rose");
});
