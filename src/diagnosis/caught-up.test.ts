import { describe, expect, test } from "vitest";
import { abandoned, cluster, facts, NOW } from "../../test/healthy-facts.ts";
import { caughtUp } from "./caught-up.ts";
import { diagnose } from "./diagnose.ts";

const NOTHING = { ignored: [], lagging: [], short: [] };
const pod = (i: number, schedulerName = "default-scheduler") => ({
  ...{ namespace: "default", name: `web-${i}`, created: NOW - 60_000, schedulerName, node: "", verdict: undefined },
});
const lagging = (i: number) => ({ namespace: "default", name: `web-${i}`, generation: 2, observedGeneration: 1 });
const short = (i: number, there: number) => ({
  ...{ namespace: "default", name: `web-${i}`, wanted: 50, there, failure: undefined },
});

describe("what was caught up with", () => {
  test("is what is no longer there at the second look", () => {
    const before = {
      ignored: [pod(1), pod(2), pod(3, "own")],
      lagging: [lagging(1), lagging(2)],
      short: [short(1, 0)],
    };
    const after = { ignored: [pod(2)], lagging: [lagging(2), lagging(3)], short: [] };
    expect(caughtUp(before, after)).toEqual({
      pods: new Map([
        ["default-scheduler", 1],
        ["own", 1],
      ]),
      deployments: 1,
      replicaSets: 1,
    });
  });
  test("is a ReplicaSet that has more pods than before, too", () => {
    const count = (there: number) =>
      caughtUp({ ...NOTHING, short: [short(1, 10)] }, { ...NOTHING, short: [short(1, there)] }).replicaSets;
    expect([9, 10, 11].map(count)).toEqual([0, 0, 1]);
  });
  test("is nothing where the second look failed", () => {
    const before = { ignored: [pod(1)], lagging: [lagging(1)], short: [short(1, 0)] };
    const unknown = { ignored: undefined, lagging: undefined, short: undefined };
    expect(caughtUp(before, unknown)).toEqual({ pods: new Map(), deployments: 0, replicaSets: 0 });
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
