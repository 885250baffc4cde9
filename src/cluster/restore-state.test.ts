import { describe, expect, test } from "vitest";
import { NODE_STATES, type NodeJournal } from "./node-facts.ts";
import { nextStep, STEP_OF, undoSteps } from "./restore-state.ts";

const all = [...NODE_STATES, "undone"] as const;

describe("the next step of two nodes, every pair of states", () => {
  test.each(all.flatMap((a) => all.map((b) => [a, b] as const)))("%s and %s", (a, b) => {
    const next = nextStep(
      new Map([
        ["m1", a],
        ["m2", b],
      ]),
    );
    if (a === "undone" || b === "undone") {
      expect(next.do).toBe("refuse");
      return;
    }
    const [rankA, rankB] = [NODE_STATES.indexOf(a), NODE_STATES.indexOf(b)];
    const least = NODE_STATES[Math.min(rankA, rankB)]!;
    if (least === "done") {
      expect(next).toEqual({ do: "nothing" });
      return;
    }
    const nodes = [...(rankA <= rankB ? ["m1"] : []), ...(rankB <= rankA ? ["m2"] : [])];
    expect(next).toEqual({ do: "step", step: STEP_OF[least], nodes });
  });
});

describe("what is undone, by state", () => {
  const journal = (state: NodeJournal["state"]): NodeJournal => {
    const isAfter = (what: (typeof NODE_STATES)[number]) =>
      state !== "undone" && NODE_STATES.indexOf(state) >= NODE_STATES.indexOf(what);
    return {
      id: "restore-1",
      state,
      digest: "d",
      snapshot: null,
      manifests: isAfter("stopped")
        ? { from: "/etc/kubernetes/manifests", kept: "/k", names: ["etcd.yaml"], spare: [] }
        : null,
      dataDir: isAfter("restored") ? { path: "/var/lib/etcd", member: "1:2", movedAside: null } : null,
      revision: null,
    };
  };
  test.each([
    ["new", []],
    ["received", []],
    ["stopped", ["manifests"]],
    ["restored", ["stop", "data", "manifests"]],
    ["etcd-started", ["stop", "data", "manifests"]],
    ["started", ["stop", "data", "manifests"]],
    ["done", ["stop", "data", "manifests"]],
    ["undone", []],
  ] as const)("%s", (state, expected) => expect(undoSteps(journal(state))).toEqual(expected));

  test("a restore that was cut off while data moved is undone like one that ended", () => {
    const half = {
      ...journal("stopped"),
      dataDir: { path: "/var/lib/etcd", member: "1:2", movedAside: "/var/lib/etcd.before" },
    };
    expect(undoSteps(half)).toEqual(["data", "manifests"]);
  });
});
