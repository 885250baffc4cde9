import { describe, expect, test } from "vitest";
import {
  choresOf,
  isEnded,
  knowsLivingNodes,
  next,
  START_RULES,
  STARTING,
  type StartRules,
  type StartSeen,
  type StartState,
  withChore,
} from "./start-state.ts";

const NOW = 1_000_000;
const API = ["ready", "young", "refusing", "unreachable"] as const;
const WAITING = [undefined, [], ["a pod to run"]] as const;
const none = new Set<never>();
const settling = (silentSince?: number, since = NOW): StartState => ({
  kind: "settling",
  since,
  silentSince,
  done: none,
});
const longAgo = NOW - START_RULES.lost - 1;
const STATES: Readonly<Record<string, StartState>> = {
  starting: STARTING,
  "starting, refused before": { kind: "starting", refusedSince: NOW - START_RULES.refusal },
  creating: { kind: "creating" },
  settling: settling(),
  "settling, silent": settling(longAgo),
  ending: { kind: "ending", silentSince: undefined },
  "ending, silent": { kind: "ending", silentSince: longAgo },
  proving: { kind: "proving", silentSince: undefined },
  "proving, silent": { kind: "proving", silentSince: longAgo },
  done: { kind: "done" },
  failed: { kind: "failed", why: "late" },
};
/** `S` starting, `c` creating, `s` settling, `e` ending, `p` proving, `D` done, `R` refused, `L` lost, `T` late. */
const LETTERS = { starting: "S", creating: "c", settling: "s", ending: "e", proving: "p", done: "D" } as const;
const FAILURES = { refused: "R", lost: "L", late: "T" } as const;
const letter = (state: StartState) => (state.kind === "failed" ? FAILURES[state.why] : LETTERS[state.kind]);
const rules = (change: Partial<StartRules> = {}): StartRules => ({
  ...START_RULES,
  deadline: NOW,
  ownsApi: true,
  ...change,
});
const seen = (change: Partial<StartSeen> = {}): StartSeen => ({
  api: "ready",
  isCreated: true,
  temporary: "gone",
  waitingFor: [],
  ...change,
});

describe("every state against every observation", () => {
  /** Groups: the API server ready, young, refusing, unreachable; in each nothing judged, nothing in the way, something in the way. */
  const TABLE: Readonly<Record<string, string>> = {
    starting: "ccc SSS SSS SSS",
    "starting, refused before": "ccc SSS RRR SSS",
    creating: "sss sss sss sss",
    settling: "ses sss sss sss",
    "settling, silent": "ses sss RRR sss",
    ending: "epp eee eee eee",
    "ending, silent": "epp eee RRR eee",
    proving: "pDp ppp ppp ppp",
    "proving, silent": "pDp ppp RRR ppp",
    done: "DDD DDD DDD DDD",
    failed: "TTT TTT TTT TTT",
  };
  test.each(Object.entries(TABLE))("%s", (name, expected) => {
    const found = API.map((api) =>
      WAITING.map((waitingFor) => letter(next(STATES[name]!, seen({ api, waitingFor }), NOW, rules()))).join(""),
    );
    expect(found.join(" ")).toBe(expected);
  });

  /** The same where the API server was there before the start. */
  const OF_OTHERS: Readonly<Record<string, string>> = {
    settling: "ses sss sss sss",
    "settling, silent": "ses LLL RRR LLL",
    "ending, silent": "epp LLL RRR LLL",
    "proving, silent": "pDp LLL RRR LLL",
  };
  test.each(Object.entries(OF_OTHERS))("%s, by an API server of others", (name, expected) => {
    const found = API.map((api) =>
      WAITING.map((waitingFor) =>
        letter(next(STATES[name]!, seen({ api, waitingFor }), NOW, rules({ ownsApi: false }))),
      ).join(""),
    );
    expect(found.join(" ")).toBe(expected);
  });

  test("while a temporary pod is there, nothing is proved", () => {
    for (const name of ["ending", "proving"])
      expect(next(STATES[name]!, seen({ temporary: "there" }), NOW, rules()).kind).toBe(name);
  });

  test("objects that are not created are waited for", () => {
    expect(next({ kind: "creating" }, seen({ isCreated: false }), NOW, rules()).kind).toBe("creating");
  });

  test("after the deadline only what is done in that very look is done", () => {
    for (const [name, state] of Object.entries(STATES)) {
      for (const api of API) {
        for (const waitingFor of WAITING) {
          const before = next(state, seen({ api, waitingFor }), NOW, rules());
          const after = next(state, seen({ api, waitingFor }), NOW + 1, rules());
          const stays = before.kind === state.kind && !isEnded(state) && name !== "creating";
          expect([name, api, waitingFor, letter(after)]).toEqual([name, api, waitingFor, stays ? "T" : letter(before)]);
        }
      }
    }
  });
});

test("a refusal counts from the first of those that follow each other", () => {
  const first = next(STARTING, seen({ api: "refusing" }), NOW, rules({ deadline: NOW * 2 }));
  expect(first).toEqual({ kind: "starting", refusedSince: NOW });
  const again = next(first, seen({ api: "refusing" }), NOW + 5, rules({ deadline: NOW * 2 }));
  expect(again).toEqual(first);
  expect(next(again, seen({ api: "young" }), NOW + 6, rules({ deadline: NOW * 2 }))).toEqual(STARTING);
});

test("silence counts from the first look at it, and ends with an answer", () => {
  const silent = next(settling(), seen({ api: "unreachable" }), NOW, rules());
  expect(silent).toEqual(settling(NOW));
  expect(next(silent, seen({ waitingFor: undefined }), NOW, rules())).toEqual(settling());
});

describe("chores", () => {
  const at = (age: number, state = settling()) => choresOf(state, NOW + age, rules());
  test("begin when the silence of their holders proves something", () => {
    expect(at(START_RULES.leaseSilence)).toEqual([]);
    expect(at(START_RULES.leaseSilence + 1)).toEqual(["release-dead-leases"]);
    expect(at(START_RULES.nodeRenewal + 1)).toEqual(["release-dead-leases", "release-replaced-nodes"]);
    expect(at(START_RULES.signOfLife + 1)).toEqual([
      "release-dead-leases",
      "release-stranded-pods",
      "release-replaced-nodes",
    ]);
  });
  test("that are done once are not repeated", () => {
    const done = withChore(settling(), "release-dead-leases");
    expect(at(START_RULES.leaseSilence + 1, done)).toEqual([]);
    expect(withChore({ kind: "creating" }, "release-dead-leases")).toEqual({ kind: "creating" });
  });
  test("belong to the time before the hand-over", () => {
    for (const [name, state] of Object.entries(STATES)) {
      if (state.kind === "settling") continue;
      expect([name, choresOf(state, NOW * 2, rules()), knowsLivingNodes(state, NOW * 2, rules())]).toEqual([
        name,
        [],
        false,
      ]);
    }
    expect(knowsLivingNodes(settling(), NOW + START_RULES.nodeRenewal + 1, rules())).toBe(true);
  });
});
