import { describe, expect, test } from "vitest";
import { NODE_STATES, type NodeJournal, type NodeState } from "./node-facts.ts";
import {
  comesBack,
  hadNoData,
  isTakenBack,
  nextStep,
  onRequest,
  STATE_AFTER,
  STEP_OF,
  undoSteps,
} from "./restore-state.ts";

const all = [...NODE_STATES, "undoing", "undone"] as const;

describe("the next step of two nodes, every pair of states", () => {
  test.each(all.flatMap((a) => all.map((b) => [a, b] as const)))("%s and %s", (a, b) => {
    const next = nextStep(
      new Map([
        ["m1", a],
        ["m2", b],
      ]),
    );
    if (isTakenBack(a) || isTakenBack(b)) {
      expect(next.do).toBe("refuse");
      return;
    }
    const [rankA, rankB] = [NODE_STATES.indexOf(a as NodeState), NODE_STATES.indexOf(b as NodeState)];
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
      state === "undoing" || NODE_STATES.indexOf(state as NodeState) >= NODE_STATES.indexOf(what);
    return {
      id: "restore-1",
      state,
      digest: "d",
      snapshot: null,
      manifests: isAfter("stopped")
        ? { from: "/etc/kubernetes/manifests", kept: "/k", names: ["etcd.yaml"], spare: [] }
        : null,
      made: isAfter("prepared") ? [{ path: "/etc/kubernetes/admin.conf", kept: null, sha256: "a" }] : [],
      dataDir: isAfter("restored") ? { path: "/var/lib/etcd", member: "1:2", movedAside: null } : null,
      revision: null,
      bump: null,
      leads: false,
      service: null,
    };
  };
  test.each([
    ["new", []],
    ["received", []],
    ["stopped", ["manifests"]],
    ["restored", ["stop", "data", "manifests"]],
    ["prepared", ["stop", "data", "files", "manifests"]],
    ["etcd-started", ["stop", "data", "files", "manifests"]],
    ["started", ["stop", "data", "files", "manifests"]],
    ["done", ["stop", "data", "files", "manifests"]],
    ["undoing", ["stop", "data", "files", "manifests"]],
    ["undone", []],
  ] as const)("%s", (state, expected) => expect(undoSteps(journal(state))).toEqual(expected));

  test("a restore that was cut off while data moved is undone like one that ended", () => {
    const half = {
      ...journal("stopped"),
      dataDir: { path: "/var/lib/etcd", member: "1:2", movedAside: "/var/lib/etcd.before" },
    };
    expect(undoSteps(half)).toEqual(["stop", "data", "manifests"]); // a joining etcd may run with it
  });

  test("a run that was cut off while manifests were taken away brings them back", () => {
    expect(undoSteps({ ...journal("stopped"), state: "received" })).toEqual(["manifests"]);
  });
});

describe("what starts again when a restore is taken back", () => {
  const manifests = { from: "/m", kept: "/k", names: ["etcd.yaml", "kube-apiserver.yaml"], spare: ["made.yaml"] };
  const dataDir = (member: string | null) => ({ path: "/var/lib/etcd", member, movedAside: null });

  test.each([
    ["etcd", "etcd.yaml", "1:2", true],
    ["etcd", "etcd.yaml", null, false],
    ["kube-apiserver", "kube-apiserver.yaml", null, true],
    ["kube-scheduler", "made.yaml", "1:2", false],
  ] as const)("%s of %s, whose data was %s: %s", (component, file, member, expected) => {
    expect(comesBack({ manifests, dataDir: dataDir(member) }, component, file)).toBe(expected);
  });

  test("etcd whose data was not touched", () => {
    expect(comesBack({ manifests, dataDir: null }, "etcd", "etcd.yaml")).toBe(true);
    expect([hadNoData({ dataDir: null }), hadNoData({ dataDir: dataDir(null) })]).toEqual([false, true]);
  });
});

describe("a step that is asked for, by what the node has done", () => {
  const steps = Object.keys(STATE_AFTER) as (keyof typeof STATE_AFTER)[];
  test.each(steps.flatMap((step) => all.map((state) => [step, state] as const)))(
    "%s of one that is %s",
    (step, state) => {
      const isBeyond = NODE_STATES.indexOf(state as NodeState) >= NODE_STATES.indexOf(STATE_AFTER[step]);
      expect(onRequest(state, step)).toBe(isTakenBack(state) ? "refuse" : isBeyond ? "done" : "do");
    },
  );

  test.each(Object.entries(STEP_OF))("%s: the next state comes of %s", (state, step) => {
    const after = NODE_STATES[NODE_STATES.indexOf(state as NodeState) + 1];
    expect(STATE_AFTER[step]).toBe(after);
  });
});
