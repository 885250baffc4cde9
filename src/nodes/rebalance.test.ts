import { describe, expect, test } from "vitest";
import type { KubeObject } from "../kube/object.ts";
import { isSteady, nodeLoads, planRebalance, type RebalanceInput } from "./rebalance.ts";

function node(name: string, spec: object = {}, labels: object = {}): KubeObject {
  const status = {
    conditions: [{ type: "Ready", status: "True" }],
    allocatable: { cpu: "4", memory: "8Gi", pods: "20" },
  };
  return { apiVersion: "v1", kind: "Node", metadata: { name, labels }, spec, status } as unknown as KubeObject;
}

let made = 0;
function pods(
  owner: string,
  on: string,
  count: number,
  extra: { cpu?: string; kind?: string; spec?: object; labels?: object } = {},
): KubeObject[] {
  const ownerReferences = [
    { apiVersion: "apps/v1", kind: extra.kind ?? "ReplicaSet", name: owner, uid: owner, controller: true },
  ];
  const containers = [{ name: "c", resources: { requests: { cpu: extra.cpu ?? "0" } } }];
  return Array.from(
    { length: count },
    () =>
      ({
        apiVersion: "v1",
        kind: "Pod",
        metadata: {
          name: `${owner}-${++made}`,
          namespace: "default",
          uid: String(made),
          ownerReferences,
          labels: extra.labels ?? {},
        },
        spec: { nodeName: on, containers, ...extra.spec },
        status: { phase: "Running", conditions: [{ type: "Ready", status: "True" }] },
      }) as unknown as KubeObject,
  );
}

function input(nodes: KubeObject[], all: KubeObject[], more: Partial<RebalanceInput> = {}): RebalanceInput {
  return { nodes, pods: all, budgets: [], targets: undefined, moveEmptyDir: false, barred: new Set(), ...more };
}

const moves = (of: RebalanceInput) => planRebalance(of).map(({ from, to, because }) => `${from} ${to} ${because}`);
const THREE = [node("a"), node("b"), node("c")];

describe("a plan", () => {
  test("evens out an owner's replicas, and no further than to a difference of one", () => {
    expect(moves(input(THREE, [...pods("web", "a", 3), ...pods("web", "b", 3)]))).toEqual(["a c spread", "b c spread"]);
    expect(moves(input(THREE, [...pods("web", "a", 1), ...pods("web", "b", 1)]))).toEqual([]);
    expect(moves(input(THREE, pods("web", "a", 7)))).toHaveLength(4);
  });
  test("fills only the nodes that were named", () => {
    const all = [...pods("web", "a", 4)];
    expect(new Set(moves(input(THREE, all, { targets: new Set(["c"]) })))).toEqual(new Set(["a c spread"]));
  });
  test("evens out requests by owners that have one replica each", () => {
    const all = ["p", "q", "r", "s"].flatMap((owner) => pods(owner, "a", 1, { cpu: "500m" }));
    const plan = moves(input([node("a"), node("b")], all));
    expect(plan).toEqual(["a b requests", "a b requests"]);
  });
  test("leaves what is near enough", () => {
    const all = [
      ...pods("p", "a", 1, { cpu: "1" }),
      ...pods("q", "a", 1, { cpu: "100m" }),
      ...pods("r", "b", 1, { cpu: "900m" }),
    ];
    expect(moves(input([node("a"), node("b")], all))).toEqual([]);
  });
  test.each([
    ["StatefulSets", pods("db", "a", 4, { kind: "StatefulSet" })],
    ["DaemonSets", pods("agent", "a", 4, { kind: "DaemonSet" })],
    ["Jobs", pods("job", "a", 4, { kind: "Job" })],
    ["pods with data", pods("web", "a", 4, { spec: { volumes: [{ emptyDir: {} }] } })],
    ["pods that may run there only", pods("web", "a", 4, { spec: { nodeSelector: { disk: "ssd" } } })],
    ["pods that would not fit", pods("web", "a", 2, { cpu: "5" })],
  ])("moves no %s", (_, all) => expect(moves(input(THREE, all))).toEqual([]));
  test("moves no pods that two budgets protect, and none of an owner that is barred", () => {
    const all = pods("web", "a", 4, { labels: { app: "web" } });
    const budget = {
      apiVersion: "policy/v1",
      kind: "PodDisruptionBudget",
      metadata: { name: "x", namespace: "default" },
      spec: { selector: {} },
    };
    const one = [budget] as unknown as KubeObject[];
    expect(moves(input(THREE, all, { budgets: one }))).toHaveLength(2);
    expect(moves(input(THREE, all, { budgets: [...one, ...one] }))).toEqual([]);
    expect(moves(input(THREE, all, { barred: new Set(["web"]) }))).toEqual([]);
  });
  test("moves nothing to nodes that are cordoned, tainted or silent", () => {
    const silent = {
      ...node("c"),
      status: { conditions: [{ type: "Ready", status: "Unknown" }] },
    } as unknown as KubeObject;
    const tainted = node("d", { taints: [{ key: "x", effect: "NoSchedule" }] });
    const all = pods("web", "a", 6);
    expect(moves(input([node("a"), node("b", { unschedulable: true }), silent, tainted], all))).toEqual([]);
  });
  test("counts each move in the loads", () => {
    const all = pods("web", "a", 4, { cpu: "1" });
    const of = input([node("a"), node("b")], all);
    expect(nodeLoads(of).map(({ pods: count, share }) => [count, share])).toEqual([
      [4, 1],
      [0, 0],
    ]);
    expect(nodeLoads(of, planRebalance(of)).map(({ pods: count, share }) => [count, share])).toEqual([
      [2, 0.5],
      [2, 0.5],
    ]);
  });
});

test.each([
  [{ replicas: 3, updatedReplicas: 3, readyReplicas: 3, observedGeneration: 4 }, {}, true],
  [{ replicas: 4, updatedReplicas: 3, readyReplicas: 3, observedGeneration: 4 }, {}, false],
  [{ replicas: 3, updatedReplicas: 3, readyReplicas: 2, observedGeneration: 4 }, {}, false],
  [{ replicas: 3, updatedReplicas: 3, readyReplicas: 3, observedGeneration: 3 }, {}, false],
  [{ replicas: 3, updatedReplicas: 3, readyReplicas: 3, observedGeneration: 4 }, { paused: true }, false],
])("a Deployment with %o stands still: %s", (status, spec, expected) => {
  expect(isSteady({ kind: "Deployment", metadata: { generation: 4 }, spec: { replicas: 3, ...spec }, status })).toBe(
    expected,
  );
});
