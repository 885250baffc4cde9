import { describe, expect, test } from "vitest";
import {
  dueAt,
  eventsOf,
  isFinal,
  needsBudgets,
  next,
  QUEUED,
  REMOVAL_RULES,
  type RemovalAnswer,
  type RemovalSeen,
  type RemovalState,
} from "./removal-state.ts";

const NOW = 1_000_000;
const LATER = NOW + 500;
const tries = { asked: 1, undecided: 0, isExplained: false };
const PODS = ["present", "absent", "overlong", "listed"] as const;
const ANSWERS: Readonly<Record<string, RemovalAnswer | undefined>> = {
  none: undefined,
  accepted: { state: "accepted" },
  gone: { state: "gone" },
  budget: { state: "refused", by: "budget", message: "not now" },
  namespace: { state: "refused", by: "namespace", message: "it is terminating" },
  undecided: { state: "undecided", message: "try again", isConnection: false },
  "no connection": { state: "undecided", message: "refused", isConnection: true },
  failed: { state: "failed", message: "forbidden", status: 403 },
};
const BUDGETS: readonly RemovalSeen["budgets"][] = [
  "unknown",
  "unreadable",
  { versions: "1", allow: false },
  { versions: "1", allow: true },
  { versions: "2", allow: false },
  { versions: "2", allow: true },
];
const HOLDUPS = [undefined, "node-silent", "finalizers", "overdue"] as const;

const refused = (change: Partial<Extract<RemovalState, { kind: "refused" }>> = {}): RemovalState => ({
  kind: "refused",
  by: "budget",
  message: "not now",
  tryAt: LATER,
  budgets: "1",
  tries,
  ...change,
});
const STATES: Readonly<Record<string, RemovalState>> = {
  queued: QUEUED,
  "queued, later": { kind: "queued", tryAt: LATER, isReleased: false, tries },
  asking: { kind: "asking", tries },
  "asking, undecided often": { kind: "asking", tries: { ...tries, undecided: REMOVAL_RULES.mostUndecided - 1 } },
  "refused, later": refused(),
  "refused, due": refused({ tryAt: NOW }),
  "refused, at first": refused({ budgets: undefined }),
  "refused by its namespace": refused({ by: "namespace" }),
  terminating: { kind: "terminating", held: undefined },
  held: { kind: "terminating", held: "finalizers" },
  gone: { kind: "gone", isOurs: true },
  skipped: { kind: "skipped" },
  failed: { kind: "failed", failure: { because: "answer", message: "forbidden" } },
};

const seen = (change: Partial<RemovalSeen> = {}): RemovalSeen => ({
  pod: "present",
  answer: undefined,
  budgets: "unknown",
  delay: undefined,
  mayAsk: true,
  isTimeUp: false,
  ...change,
});
const step = (state: RemovalState, change: Partial<RemovalSeen>, isDryRun = false) =>
  next(state, seen(change), NOW, { ...REMOVAL_RULES, isDryRun });

/** `q` queued, `a` asking, `r` refused, `t` terminating, `g` gone, `s` skipped, `F` failed. */
const LETTERS = { queued: "q", asking: "a", refused: "r", terminating: "t", gone: "g", skipped: "s", failed: "F" };
const letter = (state: RemovalState) => LETTERS[state.kind];

describe("every state against every observation", () => {
  /** In each group the pod present, absent, overlong, listed. Groups: a request may be sent, none may, the time is up. */
  const TABLE: Readonly<Record<string, string>> = {
    queued: "agaa qgqq FgFF",
    "queued, later": "qgqq qgqq FgFF",
    asking: "aaaa aaaa FFFF",
    "asking, undecided often": "aaaa aaaa FFFF",
    "refused, later": "rgrr rgrr FgFF",
    "refused, due": "agaa rgrr FgFF",
    "refused, at first": "rgrr rgrr FgFF",
    "refused by its namespace": "rgrr rgrr FgFF",
    terminating: "tgst tgst FgsF",
    held: "tgst tgst FgsF",
    gone: "gggF gggF gggF",
    skipped: "ssss ssss ssss",
    failed: "FFFF FFFF FFFF",
  };
  test.each(Object.entries(TABLE))("%s: by the pod", (name, expected) => {
    const groups = [{}, { mayAsk: false }, { isTimeUp: true }];
    const found = groups.map((group) => PODS.map((pod) => letter(step(STATES[name]!, { ...group, pod }))).join(""));
    expect(found.join(" ")).toBe(expected);
  });

  /** Columns in the order of ANSWERS; groups: present, absent, overlong, listed, and the time is up while present. */
  const BY_ANSWER: Readonly<Record<string, string>> = {
    asking: "atgrrqqF aggggggF asgrrqqF atgrrqqF FFgFFFFF",
    "asking, undecided often": "atgrrFqF aggggFgF asgrrFqF atgrrFqF FFgFFFFF",
  };
  test.each(Object.entries(BY_ANSWER))("%s: by the answer", (name, expected) => {
    const groups = [...PODS.map((pod) => ({ pod })), { isTimeUp: true }];
    const found = groups.map((group) =>
      Object.values(ANSWERS)
        .map((answer) => letter(step(STATES[name]!, { ...group, answer })))
        .join(""),
    );
    expect(found.join(" ")).toBe(expected);
  });

  test("a dry run takes an accepted request for the end, and a refused one for a failure", () => {
    const found = Object.values(ANSWERS).map((answer) => letter(step(STATES.asking!, { answer }, true)));
    expect(found.join("")).toBe("aggFFqqF");
    expect(step(STATES.asking!, { answer: ANSWERS.accepted }, true)).toEqual({ kind: "gone", isOurs: false });
  });

  /** Columns in the order of BUDGETS; groups: a request may be sent, none may. */
  const BY_BUDGET: Readonly<Record<string, string>> = {
    "refused, later": "rrrrrq rrrrrq",
    "refused, due": "aaaaaa rrrrrq",
    "refused, at first": "rrrrrr rrrrrr",
    "refused by its namespace": "rrrrrq rrrrrq",
  };
  test.each(Object.entries(BY_BUDGET))("%s: by its budgets", (name, expected) => {
    const found = [true, false].map((mayAsk) =>
      BUDGETS.map((budgets) => letter(step(STATES[name]!, { mayAsk, budgets }))).join(""),
    );
    expect(found.join(" ")).toBe(expected);
  });

  test("over all of them: no request without permission, nothing final is left, no end without a reason", () => {
    let cases = 0;
    for (const state of Object.values(STATES)) {
      for (const pod of PODS) {
        for (const answer of Object.values(ANSWERS)) {
          for (const budgets of BUDGETS) {
            for (const delay of HOLDUPS) {
              for (const [mayAsk, isTimeUp] of [
                [true, false],
                [false, false],
                [true, true],
                [false, true],
              ] as const) {
                cases++;
                const to = next(state, { pod, answer, budgets, delay, mayAsk, isTimeUp }, NOW, REMOVAL_RULES);
                if (state.kind !== "asking" && to.kind === "asking") expect([mayAsk, isTimeUp]).toEqual([true, false]);
                if (isFinal(state) && !(state.kind === "gone" && pod === "listed")) expect(to).toBe(state);
                if (!isFinal(state) && isTimeUp) expect(isFinal(to)).toBe(true);
                if (!isFinal(state) && to.kind === "gone")
                  expect(pod === "absent" || (state.kind === "asking" && answer?.state === "gone")).toBe(true);
                if (to.kind === "gone" && to.isOurs && state.kind !== "gone")
                  expect(state.kind === "terminating" || answer?.state === "accepted").toBe(true);
                if (to.kind === "skipped" && state.kind !== "skipped") expect(pod).toBe("overlong");
                const isReleased = state.kind === "refused" && to.kind === "queued";
                if (isReleased) expect(budgets).toEqual({ versions: "2", allow: true });
              }
            }
          }
        }
      }
    }
    expect(cases).toBe(13 * 4 * 8 * 6 * 4 * 4);
  });
});

describe("a refused pod is asked for again", () => {
  test("soon where its budgets allow it at the first look", () => {
    const to = step(refused({ budgets: undefined, tryAt: NOW + 30_000 }), { budgets: { versions: "7", allow: true } });
    expect(to).toMatchObject({ kind: "refused", budgets: "7", tryAt: NOW + REMOVAL_RULES.retryUndecided });
  });

  test("not sooner where they do not allow it, or allowed it before and have not changed", () => {
    for (const budgets of [
      { versions: "1", allow: false },
      { versions: "1", allow: true },
    ] as const)
      expect(dueAt(step(refused({ tryAt: NOW + 30_000 }), { budgets }))).toBe(NOW + 30_000);
  });

  test("every few seconds where they cannot be read", () => {
    const to = step(refused({ tryAt: NOW + 30_000 }), { budgets: "unreadable" });
    expect(dueAt(to)).toBe(NOW + REMOVAL_RULES.retryBlind);
  });

  test("after the answers' own pauses", () => {
    const after = (name: string) => dueAt(step(STATES.asking!, { answer: ANSWERS[name] }));
    expect(["budget", "namespace", "undecided", "no connection"].map(after)).toEqual(
      [30_000, 5000, 1000, 1000].map((pause) => NOW + pause),
    );
  });
});

test("a connection that is lost decides nothing, and is not counted", () => {
  const undecided = (name: string) => {
    const to = step(STATES.asking!, { answer: ANSWERS[name] });
    return to.kind === "queued" && to.tries.undecided;
  };
  expect([undecided("undecided"), undecided("no connection")]).toEqual([1, 0]);
});

test("its budgets are read where a refusal or an undecided answer may have come from them", () => {
  const needing = Object.entries(STATES).flatMap(([name, state]) => (needsBudgets(state) ? [name] : []));
  expect(needing).toEqual(["asking, undecided often", "refused, later", "refused, due", "refused, at first"]);
});

test("time alone changes only what waits for its next request", () => {
  const due = Object.entries(STATES).flatMap(([name, state]) => (dueAt(state) === undefined ? [] : [name]));
  expect(due).toEqual([
    "queued",
    "queued, later",
    "refused, later",
    "refused, due",
    "refused, at first",
    "refused by its namespace",
  ]);
});

describe("what is reported", () => {
  const events = (from: RemovalState, change: Partial<RemovalSeen>) => eventsOf(from, step(from, change));
  test("that it is removed, once, however often it is asked for", () => {
    expect(events(QUEUED, {})).toEqual(["removing"]);
    expect(events({ kind: "queued", tryAt: 0, isReleased: true, tries }, {})).toEqual([]);
  });
  test("what protects it, once that is known", () => {
    expect(events(STATES.asking!, { answer: ANSWERS.budget })).toEqual([]);
    expect(events(STATES.asking!, { answer: ANSWERS.namespace })).toEqual(["refused"]);
    expect(events(refused({ budgets: undefined }), { budgets: { versions: "1", allow: false } })).toEqual(["refused"]);
    expect(events(refused({ tryAt: NOW }), { budgets: { versions: "1", allow: false } })).toEqual(["refused"]);
    expect(events(refused({ tries: { ...tries, isExplained: true } }), { budgets: "unreadable" })).toEqual([]);
  });
  test("each new reason why it is still there", () => {
    expect(events(STATES.terminating!, { delay: "overdue" })).toEqual(["held"]);
    expect(events(STATES.held!, { delay: "finalizers" })).toEqual([]);
    expect(events(STATES.held!, { delay: "node-silent" })).toEqual(["held"]);
    expect(events(STATES.held!, {})).toEqual([]);
    expect(events(STATES.asking!, { answer: ANSWERS.accepted, delay: "overdue" })).toEqual(["held"]);
  });
  test("its end, where it is ours", () => {
    expect(events(STATES.terminating!, { pod: "absent" })).toEqual(["removed"]);
    expect(events(STATES.asking!, { answer: ANSWERS.accepted, pod: "absent" })).toEqual(["removed"]);
    expect(events(QUEUED, { pod: "absent" })).toEqual([]);
    expect(events(STATES.asking!, { answer: ANSWERS.gone })).toEqual([]);
    expect(events(STATES.terminating!, { pod: "overlong" })).toEqual(["skipped"]);
  });
});
