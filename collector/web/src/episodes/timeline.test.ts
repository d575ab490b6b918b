import { expect, test } from "vitest";
import type { Decision, Run } from "../api";
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
  const [turn] = timeline({ history: [], decisions: [late], runs: [] });
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
    runs: [],
  });
  expect(turns.map(({ at }) => at)).toEqual([100, 150, 160, 200]);
  expect(turns[0]?.words).toBe("opened: it moved");
  expect(turns[1]?.words).toMatch(/^alice silenced it until .*: known since Monday$/);
  expect(turns[2]?.words).toBe(
    "alice accepted the new normal of input.amount, which is being learned: known since Monday",
  );
  expect(turns[3]?.words).toBe("closed, learning anew: prices rose");
});

const run: Run = {
  run: 1,
  key: "k",
  entity: "fraud",
  episode: 1,
  action: "retrain",
  cure: "retrain",
  target: "ci",
  state: "approved",
  by_hand: false,
  approvers: ["alice"],
  expires: null,
  waits_for: "",
  attempts: 0,
  last_failure: "",
  turns: [
    { state: "waiting", at: 110, author: "", reason: "checked" },
    { state: "awaiting_approval", at: 120, author: "", reason: "it needs approval" },
    { state: "approved", at: 180, author: "alice", reason: "go" },
  ],
};

test("an action is shown with who approved it", () => {
  const turns = timeline({ history: [], decisions: [decision], runs: [run] });
  expect(turns.map(({ words }) => words).filter((words) => words.startsWith("action"))).toEqual([
    "action retrain: needs approval: it needs approval",
    "action retrain: approved by alice: go",
  ]);
  expect(turns.map(({ at }) => at)).toEqual([120, 150, 180]);
});

test("an action that waits says for what", () => {
  const waiting: Run = { ...run, state: "waiting", turns: run.turns.slice(0, 1), waits_for: "the severity is info" };
  const [turn] = timeline({ history: [], decisions: [], runs: [waiting] });
  expect(turn?.words).toBe("action retrain: waits: the severity is info");
});
