import { describe, expect, test } from "vitest";
import { abandoned, cluster, facts, NOW } from "../../test/healthy-facts.ts";
import { caughtUp } from "./caught-up.ts";
import { diagnose } from "./diagnose.ts";

const pod = (i: number, schedulerName = "default-scheduler") => ({
  ...{ namespace: "default", name: `web-${i}`, created: NOW - 60_000, schedulerName, node: "", verdict: undefined },
});
const lagging = (i: number) => ({ namespace: "default", name: `web-${i}`, generation: 2, observedGeneration: 1 });
const short = (i: number, there: number) => ({
  ...{ namespace: "default", name: `web-${i}`, wanted: 50, there, failure: undefined },
});

describe("what was caught up with", () => {
  const before = {
    ignored: [pod(1), pod(2), pod(3, "own"), pod(4)],
    lagging: [lagging(1), lagging(2)],
    short: [short(1, 10), short(2, 10), short(3, 10)],
  };
  const nothing = { pods: new Map(), deployments: 0, replicaSets: 0 };
  const verdict = { reason: "Unschedulable", message: "no node is free" };

  test("is what is seen to be done at the second look", () => {
    const pending = [
      { ...pod(1), node: "worker-1" },
      pod(2),
      { ...pod(3, "own"), verdict },
      { ...pod(9), node: "worker-1" },
    ];
    const observed = [{ namespace: "default", name: "web-1" }];
    const pods = new Map([
      ["default/web-1", 50],
      ["default/web-2", 11],
      ["default/web-3", 10],
    ]);
    expect(caughtUp(before, { pending, observed, pods })).toEqual({
      pods: new Map([
        ["default-scheduler", 1],
        ["own", 1],
      ]),
      deployments: 1,
      replicaSets: 2,
    });
  });
  test("is nothing where all is gone: somebody may have deleted it, or want less", () => {
    expect(caughtUp(before, { pending: [], observed: [], pods: new Map() })).toEqual(nothing);
    expect(caughtUp(before, { pending: [], observed: [], pods: new Map([["default/web-1", 10]]) })).toEqual(nothing);
  });
  test("is nothing where the second look failed", () => {
    expect(caughtUp(before, { pending: undefined, observed: undefined, pods: undefined })).toEqual(nothing);
  });
});

describe("controllers that are behind", () => {
  const left = {
    pendingPods: [pod(1), pod(2)],
    laggingDeployments: [lagging(1)],
    shortReplicaSets: [short(2, 10)],
  };
  const busy = { pods: new Map([["default-scheduler", 300]]), deployments: 4, replicaSets: 9 };

  test("are a warning each, and nothing is broken", () => {
    const { troubles, verdict } = diagnose(facts({ cluster: cluster({ ...left, caughtUp: busy }) }));
    expect(verdict).toBe("healthy");
    expect(troubles.map(({ level, code, advice }) => [level, code, advice])).toEqual([
      [
        "warning",
        "pods-ignored-by-scheduler",
        expect.stringContaining("the scheduler works, and is behind: it took up 300 pods"),
      ],
      ["warning", "deployments-lagging", expect.stringContaining("took notice of 4 Deployments")],
      ["warning", "replicasets-short", expect.stringContaining("made pods of 9 ReplicaSets")],
    ]);
  });
  test("are broken where nothing was done", () => {
    const { troubles } = diagnose(facts({ cluster: cluster(left) }));
    expect(troubles.map(({ level }) => level)).toEqual(["error", "error", "error"]);
  });
  test("that are down stay so", () => {
    const components = [abandoned("kube-scheduler"), abandoned("kube-controller-manager")];
    const { troubles } = diagnose(facts({ cluster: cluster({ ...left, components, caughtUp: busy }) }));
    expect(troubles.map(({ level, code }) => `${level} ${code}`)).toEqual([
      "error scheduler-down",
      "error controller-manager-down",
    ]);
  });
});
