import { describe, expect, test } from "vitest";
import type { PodTrouble } from "./pod-state.ts";
import { next, type RescueSeen, type RescueState } from "./rescue-state.ts";

const trouble: PodTrouble = { kind: "image", text: "no such image" };
const later: PodTrouble = { kind: "timeout", text: "too late" };
const SEEN: readonly RescueSeen<string>[] = [
  { is: "done" },
  { is: "pod", pod: "rescue-1" },
  { is: "healthy" },
  { is: "lost" },
  { is: "undecided", trouble },
  { is: "trouble", trouble },
  { is: "late", trouble: later },
];
const standIn = "rescue-0";
const STATES: Readonly<Record<string, RescueState<string>>> = {
  "finding-earlier": { kind: "finding-earlier" },
  resuming: { kind: "resuming", earlier: "rescue-0" },
  judging: { kind: "judging" },
  preparing: { kind: "preparing", standIn: undefined },
  "preparing, with a rescue pod": { kind: "preparing", standIn },
  "standing-in": { kind: "standing-in", template: 0, first: undefined },
  "standing-in, the last": { kind: "standing-in", template: 1, first: later },
  "starting-permanent": { kind: "starting-permanent", standIn },
  "handing-over": { kind: "handing-over", standIn },
  removing: { kind: "removing", standIn, failure: undefined },
  "removing, after a failure": { kind: "removing", standIn, failure: trouble },
  returning: { kind: "returning", standIn, failure: later },
  "last-look": { kind: "last-look", trouble },
  ended: { kind: "ended", as: "healthy", standIn: undefined, trouble: undefined },
};
const LETTERS = {
  "finding-earlier": "f",
  resuming: "r",
  judging: "j",
  preparing: "p",
  "standing-in": "s",
  "starting-permanent": "P",
  "handing-over": "h",
  removing: "x",
  returning: "b",
  "last-look": "l",
} as const;
const ENDS = { healthy: "H", mended: "M", rescued: "R", lost: "L", unknown: "U" } as const;
const letter = (state: RescueState<string>) => (state.kind === "ended" ? ENDS[state.as] : LETTERS[state.kind]);
const after = (name: string, seen: RescueSeen<string>) => next(STATES[name]!, seen, 2);

describe("every state against every end of its step", () => {
  /** Columns: done, a pod, healthy, lost, undecided, a trouble, late. */
  const TABLE: Readonly<Record<string, string>> = {
    "finding-earlier": "jrffffl",
    resuming: "rprrrjl",
    judging: "jjHpUjl",
    preparing: "spppppl",
    "preparing, with a rescue pod": "Ppppppl",
    "standing-in": "sPssssl",
    "standing-in, the last": "sPsssll",
    "starting-permanent": "hPPPPRR",
    "handing-over": "xhhhhxx",
    removing: "Mxxxxxl",
    "removing, after a failure": "bxxxxxl",
    returning: "bRbbbll",
    "last-look": "llMLllL",
    ended: "HHHHHHH",
  };
  test.each(Object.entries(TABLE))("%s", (name, expected) => {
    expect(SEEN.map((seen) => letter(after(name, seen))).join("")).toBe(expected);
  });
  test("the table has every state", () => expect(Object.keys(TABLE)).toEqual(Object.keys(STATES)));
});

test("of several templates the first one's trouble is reported: the others are only tried", () => {
  const second = after("standing-in", { is: "trouble", trouble });
  expect(second).toEqual({ kind: "standing-in", template: 1, first: trouble });
  expect(next(second, { is: "trouble", trouble: later }, 2)).toEqual({ kind: "last-look", trouble });
});

test("a rescue pod that leads stays where the permanent one cannot start, and comes back where it does not take over", () => {
  expect(after("starting-permanent", { is: "trouble", trouble })).toMatchObject({ as: "rescued", standIn, trouble });
  const back = next(after("handing-over", { is: "late", trouble: later }), { is: "done" }, 2);
  expect(back).toEqual({ kind: "returning", standIn, failure: later });
  expect(next(back, { is: "pod", pod: "rescue-2" }, 2)).toMatchObject({
    as: "rescued",
    standIn: "rescue-2",
    trouble: later,
  });
});

test("nothing is lost without a last look", () => {
  for (const state of Object.values(STATES)) {
    for (const seen of SEEN) {
      const to = next(state, seen, 1);
      if (to.kind === "ended" && to.as === "lost") expect(state.kind).toBe("last-look");
    }
  }
});
