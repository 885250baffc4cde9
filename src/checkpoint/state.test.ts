import { describe, expect, test } from "vitest";
import { fc, Premise } from "../../test/properties.ts";
import {
  awaitsConfirmation,
  deadlineOf,
  foundState,
  isRun,
  next,
  type Observed,
  PATIENCE,
  type State,
} from "./state.ts";

const NOW = 1_000_000;
const API = ["unavailable", "scheduled", "absent"] as const;
const PARENT = ["absent", "created", "starting", "running", "unknown"] as const;
const seen = (change: Partial<Observed> = {}): Observed => ({
  api: "scheduled",
  heardAt: Number.POSITIVE_INFINITY,
  parent: "absent",
  parentUid: "uid",
  checkpoint: "running",
  lingers: false,
  servesApi: false,
  generations: 2,
  isSelf: false,
  ...change,
});
const attempts = { uid: "", count: 0 };
const early = NOW + 1;
const late = NOW;
const active: State = { kind: "active", since: NOW - 1, generation: 0, attempts, retryAt: 0, rounds: 0 };

/**
 * `I` inactive, `W` waiting, `i` inactive-grace, `A` active, `a` active-grace, `H` handing-over, `S` self, `s`
 * self-grace, `R` remove, `n` none.
 */
const LETTERS: Readonly<Record<State["kind"], string>> = {
  none: "n",
  inactive: "I",
  waiting: "W",
  "inactive-grace": "i",
  active: "A",
  "active-grace": "a",
  "handing-over": "H",
  self: "S",
  "self-grace": "s",
  remove: "R",
};

const waiting = (until: number): State => ({ kind: "waiting", until });
const inactiveGrace = (until: number): State => ({ kind: "inactive-grace", until, rounds: 0 });
const activeGrace = (until: number): State => ({ kind: "active-grace", until, generation: 0, rounds: 0 });
const handingOver = (until: number): State => ({
  kind: "handing-over",
  until,
  generation: 0,
  attempts: { uid: "uid", count: 1 },
});
const triedInVain: State = { ...active, attempts: { uid: "uid", count: 1 }, retryAt: NOW + 5 } as State;

/** Columns: the API server unavailable, scheduled, absent; in each the parent absent, created, starting, running, unknown. */
const TABLE: readonly (readonly [string, State, string])[] = [
  ["none", { kind: "none" }, "AWWII WIIII iiiii"],
  ["inactive", { kind: "inactive" }, "AWWII WIIII iiiii"],
  ["waiting", waiting(early), "AWWIW WIIIW iiiii"],
  ["waiting, over", waiting(late), "AAAIW AIIIW iiiii"],
  ["inactive-grace", inactiveGrace(early), "AWWii WIIII iiiii"],
  ["inactive-grace, over", inactiveGrace(late), "AWWii WIIII RRRRR"],
  ["active", active, "AAAHA AAHHA aaaaa"],
  ["active, tried in vain", triedInVain, "AAAAA AAAAA aaaaa"],
  ["active-grace", activeGrace(early), "AAAHA AAHHA aaaaa"],
  ["active-grace, over", activeGrace(late), "AAAHA AAHHA iiiii"],
  ["handing-over", handingOver(early), "AHHIH HHHIH iiiii"],
  ["handing-over, over", handingOver(late), "AAAIH AAAIH iiiii"],
  ["self, of another", { kind: "self" }, "AAAHA AAHHA aaaaa"],
  ["self-grace, of another", { kind: "self-grace", until: late }, "AAAHA AAHHA aaaaa"],
  ["remove", { kind: "remove" }, "RRRRR RRRRR RRRRR"],
];

describe("every state against every observation", () => {
  test.each(TABLE)("%s", (_, state, expected) => {
    const found = API.map((api) =>
      PARENT.map((parent) => LETTERS[next(state, seen({ api, parent }), NOW, PATIENCE).kind]).join(""),
    );
    expect(found.join(" ")).toBe(expected);
  });

  test.each(TABLE)("%s: a deadline that has passed is none, or the agent would never rest", (_, state) => {
    expect(deadlineOf(state, NOW, PATIENCE) ?? Number.POSITIVE_INFINITY).toBeGreaterThan(NOW);
  });

  test("the agent's own is active until the API server has had no parent of it for the grace period", () => {
    const kinds = (state: State) =>
      API.map((api) =>
        PARENT.map((parent) => LETTERS[next(state, seen({ api, parent, isSelf: true }), NOW, PATIENCE).kind]).join(""),
      ).join(" ");
    expect(kinds({ kind: "none" })).toBe("SSSSS SSSSS sssss");
    expect(kinds({ kind: "self" })).toBe("SSSSS SSSSS sssss");
    expect(kinds({ kind: "self-grace", until: early })).toBe("SSSSS SSSSS sssss");
    expect(kinds({ kind: "self-grace", until: late })).toBe("SSSSS SSSSS RRRRR");
  });

  test("with nothing to run it is forgotten when the API server says that nobody wants it", () => {
    for (const [, state] of TABLE.slice(0, -1)) {
      for (const api of API) {
        for (const parent of PARENT) {
          const { kind } = next(state, seen({ api, parent, generations: 0 }), NOW, PATIENCE);
          const runs = parent === "running" || parent === "starting";
          expect(isRun({ kind } as State) && kind !== "self" && kind !== "self-grace").toBe(false);
          expect(kind === "remove").toBe(api === "absent" && !runs);
        }
      }
    }
  });

  test("what has not ended yet, or just now, is not removed: the API server's word may be its own", () => {
    const absent = seen({ api: "absent", lingers: true });
    const kept = next(inactiveGrace(late), absent, NOW, PATIENCE);
    expect(kept).toEqual(inactiveGrace(NOW + PATIENCE.ended));
    expect(next(kept, seen({ api: "absent" }), NOW + PATIENCE.ended - 1, PATIENCE)).toEqual(kept);
    expect(next(kept, seen({ api: "absent" }), NOW + PATIENCE.ended, PATIENCE).kind).toBe("remove");
    const hasty = { ...PATIENCE, grace: 0 };
    expect(next({ kind: "inactive" }, absent, NOW, hasty)).toEqual(inactiveGrace(NOW + PATIENCE.ended));
    expect(next(activeGrace(late), seen({ api: "absent" }), NOW, hasty)).toMatchObject({ until: NOW + PATIENCE.ended });
  });

  test("nothing is removed on a word from before the time was up: who said it may answer no more", () => {
    const word = (heardAt: number) => seen({ api: "absent", heardAt });
    expect(next(inactiveGrace(late), word(late - 1), NOW, PATIENCE)).toEqual(inactiveGrace(late));
    expect(awaitsConfirmation(inactiveGrace(late), NOW)).toBe(true);
    expect(awaitsConfirmation(inactiveGrace(early), NOW)).toBe(false);
    expect(next(inactiveGrace(late), word(late), NOW, PATIENCE).kind).toBe("remove");
  });

  test("an active API server that is the one which answers is not stopped", () => {
    const itself = seen({ api: "absent", lingers: true, servesApi: true });
    expect(next(activeGrace(late), itself, NOW, PATIENCE)).toEqual(activeGrace(NOW + PATIENCE.ended));
    expect(next(activeGrace(early), { ...itself, api: "scheduled" }, NOW, PATIENCE).kind).toBe("active");
  });

  test("no grace means at once for the agent's own, and for others as soon as an API server has outlived them", () => {
    const hasty = { ...PATIENCE, grace: 0 };
    const ended = inactiveGrace(NOW + PATIENCE.ended);
    expect(next({ kind: "inactive" }, seen({ api: "absent" }), NOW, hasty)).toEqual(ended);
    expect(next({ kind: "self" }, seen({ api: "absent", isSelf: true }), NOW, hasty).kind).toBe("remove");
  });
});

describe("a hand-over", () => {
  const begun = next(active, seen({ parent: "starting" }), NOW, PATIENCE);

  test("has an end, and then the same parent has to wait, twice as long each time", () => {
    let state: State = begun;
    let now = NOW;
    const pauses: number[] = [];
    for (let i = 0; i < 9; i++) {
      now = deadlineOf(state, now, PATIENCE)!;
      state = next(state, seen({ parent: "starting" }), now, PATIENCE);
      expect(state.kind).toBe("active");
      const retryAt = (state as Extract<State, { kind: "active" }>).retryAt;
      expect(next(state, seen({ parent: "starting" }), retryAt - 1, PATIENCE).kind).toBe("active");
      pauses.push(retryAt - now);
      now = retryAt;
      state = next(state, seen({ parent: "starting" }), now, PATIENCE);
      expect(state.kind).toBe("handing-over");
    }
    expect(pauses.map((pause) => pause / 60_000)).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60]);
  });

  test("is for another parent at once", () => {
    const failed = next(begun, seen({ parent: "starting" }), NOW + PATIENCE.handOver, PATIENCE);
    expect(failed.kind).toBe("active");
    expect(
      next(failed, seen({ parent: "starting", parentUid: "next" }), NOW + PATIENCE.handOver, PATIENCE),
    ).toMatchObject({ kind: "handing-over", attempts: { uid: "next", count: 1 } });
  });
});

test("an active checkpoint that does not come to run makes way for the generation before it, round and round", () => {
  let state: State = active;
  const used: number[] = [];
  for (let i = 0; i < 4; i++) {
    const at = deadlineOf(state, NOW, PATIENCE)!;
    state = next(state, seen({ api: "unavailable", checkpoint: "starting" }), at, PATIENCE);
    used.push((state as Extract<State, { kind: "active" }>).generation);
  }
  expect(used).toEqual([1, 0, 1, 0]);
  expect(next(active, seen({ api: "unavailable", checkpoint: "running" }), NOW + 1e9, PATIENCE)).toEqual(active);
});

test("an active checkpoint is stopped before it is removed: when the word came from it, it comes back, with more time", () => {
  const absent = seen({ api: "absent" });
  const grace = next(active, absent, NOW, PATIENCE);
  const stopped = next(grace, seen({ api: "absent", lingers: true }), NOW + PATIENCE.grace, PATIENCE);
  expect(stopped.kind).toBe("inactive-grace");
  const back = next(stopped, seen({ api: "unavailable" }), NOW + PATIENCE.grace + 1, PATIENCE);
  expect(back).toMatchObject({ kind: "active", rounds: 1 });
  const again = next(back, absent, 0, PATIENCE);
  expect(again).toMatchObject({ kind: "active-grace", until: 2 * PATIENCE.grace });
});

describe("whatever is seen, in whatever order", () => {
  const observation = fc.record({
    api: fc.constantFrom(...API),
    heardAt: fc.constant(Number.POSITIVE_INFINITY),
    parent: fc.constantFrom(...PARENT),
    parentUid: fc.constantFrom("a", "b"),
    checkpoint: fc.constantFrom("absent" as const, "starting" as const, "running" as const),
    lingers: fc.boolean(),
    servesApi: fc.boolean(),
    generations: fc.integer({ min: 1, max: 3 }),
    isSelf: fc.constant(false),
  });
  const sequence = fc.array(fc.tuple(observation, fc.integer({ min: 0, max: 400_000 })), { maxLength: 60 });

  const walk = (
    steps: readonly (readonly [Observed, number])[],
    each: (from: State, to: State, seen: Observed) => void,
  ) => {
    let state: State = foundState(false, false, 0);
    let now = 0;
    for (const [observed, pause] of steps) {
      now += pause;
      const to = next(state, observed, now, PATIENCE);
      each(state, to, observed);
      state = to;
    }
    return { state, now };
  };

  test("nothing is removed but on the API server's word, and never while it is active", () => {
    const removed = new Premise();
    fc.assert(
      fc.property(sequence, (steps) => {
        walk(steps, (from, to, observed) => {
          if (!removed.isMet(to.kind === "remove" && from.kind !== "remove")) return;
          expect(observed).toMatchObject({ api: "absent", lingers: false });
          expect(isRun(from)).toBe(false);
        });
      }),
      { numRuns: 2000 },
    );
    removed.expectMet(100);
  });

  test("nothing is started while the parent runs, or while the runtime says nothing", () => {
    const started = new Premise();
    fc.assert(
      fc.property(sequence, (steps) => {
        walk(steps, (from, to, observed) => {
          if (!started.isMet(!isRun(from) && isRun(to))) return;
          expect(["running", "unknown"]).not.toContain(observed.parent);
        });
      }),
      { numRuns: 2000 },
    );
    started.expectMet(400);
  });

  test("with no API server and no parent it runs at once", () => {
    const kept = new Premise();
    fc.assert(
      fc.property(sequence, (steps) => {
        const { state, now } = walk(steps, () => {});
        if (!kept.isMet(state.kind !== "remove")) return;
        expect(isRun(next(state, seen({ api: "unavailable" }), now, PATIENCE))).toBe(true);
      }),
      { numRuns: 2000 },
    );
    kept.expectMet(800);
  });

  test("with no API server and no parent that runs it runs in the end, whatever is left of the parent", () => {
    const left = fc.constantFrom("absent" as const, "created" as const, "starting" as const);
    const kept = new Premise();
    fc.assert(
      fc.property(sequence, left, (steps, parent) => {
        let { state, now } = walk(steps, () => {});
        if (!kept.isMet(state.kind !== "remove")) return;
        for (let i = 0; i < 20; i++) {
          state = next(state, seen({ api: "unavailable", parent }), now, PATIENCE);
          now = deadlineOf(state, now, PATIENCE) ?? now;
        }
        expect(isRun(state)).toBe(true);
      }),
      { numRuns: 2000 },
    );
    kept.expectMet(800);
  });

  test("a parent that runs is left alone after a bounded time, and a checkpoint nobody wants is gone", () => {
    const settle = (state: State, from: number, observed: Observed) => {
      let now = from;
      for (let i = 0; i < 20; i++) {
        state = next(state, observed, now, PATIENCE);
        now = deadlineOf(state, now, PATIENCE) ?? now;
      }
      return state.kind;
    };
    const kept = new Premise();
    fc.assert(
      fc.property(sequence, (steps) => {
        const { state, now } = walk(steps, () => {});
        if (!kept.isMet(state.kind !== "remove")) return;
        expect(settle(state, now, seen({ parent: "running" }))).toBe("inactive");
        expect(settle(state, now, seen({ api: "absent", parent: "absent" }))).toBe("remove");
      }),
      { numRuns: 2000 },
    );
    kept.expectMet(800);
  });
});
