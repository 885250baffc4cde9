import { describe, expect, test } from "vitest";
import { MOVE_PATIENCE, type MoveSeen, type MoveState, next, preparing } from "./move-state.ts";

const NOW = 1_000_000;
const patience = { ...MOVE_PATIENCE, ready: 120_000 };
const later = NOW + 1;
const STATES: Readonly<Record<string, MoveState>> = {
  preparing: { kind: "preparing", until: later },
  "preparing, over": { kind: "preparing", until: NOW },
  surging: { kind: "surging" },
  awaiting: { kind: "awaiting", until: later },
  "awaiting, over": { kind: "awaiting", until: NOW },
  removing: { kind: "removing", bars: undefined, until: NOW },
  "removing, over": { kind: "removing", bars: undefined, until: NOW - 1 },
  "removing the newcomer": { kind: "removing", bars: "elsewhere", until: NOW },
  closing: { kind: "closing", bars: undefined, until: later },
  "closing, over": { kind: "closing", bars: undefined, until: NOW },
  "closing, barred": { kind: "closing", bars: "elsewhere", until: later },
  moved: { kind: "moved" },
  missed: { kind: "missed" },
  barred: { kind: "barred", reason: "no" },
};
const LETTERS = {
  preparing: "p",
  surging: "s",
  awaiting: "w",
  removing: "r",
  closing: "c",
  moved: "M",
  missed: "m",
  barred: "B",
} as const;
const OWNERS: readonly MoveSeen["owner"][] = ["steady", "unsteady", { reason: "it is no more" }];
const SURGES: readonly MoveSeen["surge"][] = ["unasked", "begun", "contended"];
const NEWCOMERS: readonly MoveSeen["newcomer"][] = ["missing", "arrived", { elsewhere: "n9" }];
const REMOVALS: readonly MoveSeen["removal"][] = ["done", "refused", { failed: "no" }, { undecided: "eh" }];
const seen = (change: Partial<MoveSeen> = {}): MoveSeen => ({
  owner: "steady",
  surge: "begun",
  newcomer: "arrived",
  removal: "done",
  isSettled: true,
  stays: false,
  ...change,
});
const letter = (state: MoveState, change: Partial<MoveSeen>) => LETTERS[next(state, seen(change), NOW, patience).kind];

/**
 * Groups: the owner steady, unsteady, not to be touched; the surge not asked for, begun, contended; the newcomer; the
 * removal; settled or not; the replica that was to go is there or not.
 */
const TABLE: Readonly<Record<string, string>> = {
  preparing: "spB sss sss ssss ss ss",
  "preparing, over": "sBB sss sss ssss ss ss",
  surging: "www swB www wwww ww ww",
  awaiting: "rrr rrr wrr rrrr rr rr",
  "awaiting, over": "rrr rrr Brr rrrr rr rr",
  removing: "ccc ccc ccc crBr cc cc",
  "removing, over": "ccc ccc ccc cBBB cc cc",
  "removing the newcomer": "ccc ccc ccc crBr cc cc",
  closing: "MMM MMM MMM MMMM Mc mM",
  "closing, over": "MMM MMM MMM MMMM MM mM",
  "closing, barred": "BBB BBB BBB BBBB Bc BB",
  moved: "MMM MMM MMM MMMM MM MM",
  missed: "mmm mmm mmm mmmm mm mm",
  barred: "BBB BBB BBB BBBB BB BB",
};

test.each(Object.entries(TABLE))("every observation while %s", (name, expected) => {
  const state = STATES[name]!;
  const found = [
    OWNERS.map((owner) => letter(state, { owner })),
    SURGES.map((surge) => letter(state, { surge })),
    NEWCOMERS.map((newcomer) => letter(state, { newcomer })),
    REMOVALS.map((removal) => letter(state, { removal })),
    [true, false].map((isSettled) => letter(state, { isSettled })),
    [true, false].map((stays) => letter(state, { stays })),
  ];
  expect(found.map((group) => group.join("")).join(" ")).toBe(expected);
});

test("over all of them: nothing is removed before a replica is ready elsewhere, no move ends without what was there", () => {
  let cases = 0;
  for (const state of Object.values(STATES)) {
    for (const owner of OWNERS) {
      for (const surge of SURGES) {
        for (const newcomer of NEWCOMERS) {
          for (const removal of REMOVALS) {
            for (const [isSettled, stays] of [true, false].flatMap((a) => [[a, true] as const, [a, false] as const])) {
              cases++;
              const to = next(state, { owner, surge, newcomer, removal, isSettled, stays }, NOW, patience);
              if (state.kind === "moved" || state.kind === "missed" || state.kind === "barred") expect(to).toBe(state);
              if (state.kind === "preparing" && to.kind === "surging") expect(owner).toBe("steady");
              if (state.kind !== "removing" && to.kind === "removing") {
                expect(state.kind).toBe("awaiting");
                expect(newcomer).not.toBe("missing");
              }
              if (state.kind !== "closing" && to.kind === "closing")
                expect([state.kind, removal]).toEqual(["removing", "done"]);
              // What has taken too long is given up as moved: the caller counts the replicas.
              if (state.kind === "closing" && to.kind === "moved")
                expect([isSettled || state.until <= NOW, stays]).toEqual([true, false]);
            }
          }
        }
      }
    }
  }
  expect(cases).toBe(14 * 3 * 3 * 3 * 4 * 2 * 2);
});

test("each step has its own time", () => {
  expect(preparing(NOW, patience)).toEqual({ kind: "preparing", until: NOW + 60_000 });
  expect(next(STATES.surging!, seen(), NOW, patience)).toEqual({ kind: "awaiting", until: NOW + 120_000 });
  expect(next(STATES.awaiting!, seen(), NOW, patience)).toMatchObject({ kind: "removing", until: NOW + 30_000 });
  expect(next(STATES.removing!, seen(), NOW, patience)).toMatchObject({ kind: "closing", until: NOW + 30_000 });
});

describe("why an owner is left alone", () => {
  const reason = (name: string, change: Partial<MoveSeen>) => {
    const to = next(STATES[name]!, seen(change), NOW, patience);
    return to.kind === "barred" ? to.reason : to.kind;
  };
  test.each<[string, Partial<MoveSeen>, string]>([
    ["preparing, over", { owner: "unsteady" }, "it is being rolled out, is paused, or lacks pods"],
    ["preparing", { owner: { reason: "it is no more" } }, "it is no more"],
    ["surging", { surge: "contended" }, "somebody else has scaled it"],
    ["awaiting, over", { newcomer: "missing" }, "its extra replica did not become ready in time"],
    ["removing, over", { removal: "refused" }, "its budget does not let the old replica go"],
    ["removing", { removal: { failed: "no" } }, "its old replica cannot be evicted: no"],
    ["removing, over", { removal: { undecided: "eh" } }, "its old replica cannot be evicted: eh"],
    ["closing, barred", {}, "elsewhere"],
  ])("%s", (name, change, expected) => expect(reason(name, change)).toBe(expected));

  test("a scheduler that puts the replica elsewhere, once that is removed", () => {
    const removing = next(STATES.awaiting!, seen({ newcomer: { elsewhere: "n9" } }), NOW, patience);
    const closing = next(removing, seen(), NOW, patience);
    expect(next(closing, seen(), NOW, patience)).toEqual({
      kind: "barred",
      reason: 'the scheduler puts its pods on "n9"',
    });
  });
});
