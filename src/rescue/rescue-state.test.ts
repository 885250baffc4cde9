import { describe, expect, test } from "vitest";
import type { PodFault } from "./pod-state.ts";
import { next, type RescueSeen, type RescueState } from "./rescue-state.ts";

const fault: PodFault = { kind: "image", text: "no such image" };
const later: PodFault = { kind: "timeout", text: "too late" };
const SEEN: readonly RescueSeen<string>[] = [
  { is: "done" },
  { is: "pod", pod: "rescue-1" },
  { is: "healthy" },
  { is: "lost" },
  { is: "undecided", fault },
  { is: "fault", fault },
  { is: "late", fault: later },
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
  "removing, after a failure": { kind: "removing", standIn, failure: fault },
  returning: { kind: "returning", standIn, failure: later },
  "last-look": { kind: "last-look", fault },
  ended: { kind: "ended", as: "healthy", standIn: undefined, fault: undefined },
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
  /** Columns: done, a pod, healthy, lost, undecided, a fault, late. */
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

test("of several templates the first one's fault is reported: the others are only tried", () => {
  const second = after("standing-in", { is: "fault", fault });
  expect(second).toEqual({ kind: "standing-in", template: 1, first: fault });
  expect(next(second, { is: "fault", fault: later }, 2)).toEqual({ kind: "last-look", fault });
});

test("a rescue pod that leads stays where the permanent one cannot start, and comes back where it does not take over", () => {
  expect(after("starting-permanent", { is: "fault", fault })).toMatchObject({ as: "rescued", standIn, fault });
  const back = next(after("handing-over", { is: "late", fault: later }), { is: "done" }, 2);
  expect(back).toEqual({ kind: "returning", standIn, failure: later });
  expect(next(back, { is: "pod", pod: "rescue-2" }, 2)).toMatchObject({
    as: "rescued",
    standIn: "rescue-2",
    fault: later,
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
