import { describe, expect, test } from "vitest";
import type { KubeObject } from "../kube/object.ts";
import { checkControlPlane, mayCarryControlPlane } from "./control-plane-guard.ts";

function node(name: string, ready = true, labels: object = {}): KubeObject {
  const conditions = [{ type: "Ready", status: ready ? "True" : "Unknown" }];
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, labels },
    status: { conditions },
  } as unknown as KubeObject;
}

function component(name: string, on: string, ready = true): KubeObject {
  const conditions = [{ type: "Ready", status: ready ? "True" : "False" }];
  const metadata = { name: `${name}-${on}`, namespace: "kube-system", labels: { component: name } };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata,
    spec: { nodeName: on },
    status: { phase: "Running", conditions },
  } as unknown as KubeObject;
}

const MASTERS = ["m1", "m2", "m3"];
const MASTER = { "node-role.kubernetes.io/control-plane": "" };

function problems(leaving: string[], nodes: KubeObject[], pods: KubeObject[]): string[] {
  return checkControlPlane({ leaving: new Set(leaving), nodes, pods }).map(({ text }) => text);
}

describe("three masters", () => {
  const nodes = MASTERS.map((name) => node(name));
  const pods = MASTERS.flatMap((name) => [component("kube-apiserver", name), component("etcd", name)]);
  test("one may go", () => expect(problems(["m1"], nodes, pods)).toEqual([]));
  test("two may not: etcd", () =>
    expect(problems(["m1", "m2"], nodes, pods)).toEqual([
      'without "m1", "m2" etcd loses its quorum: 1 of 3 members would be healthy, and 2 must be',
    ]));
  test("none may go while one is silent", () =>
    expect(problems(["m1"], [node("m1"), node("m2"), node("m3", false)], pods)).toEqual([
      'without "m1" etcd loses its quorum: 1 of 3 members would be healthy, and 2 must be',
    ]));
  test("the one that is silent may go", () =>
    expect(problems(["m3"], [node("m1"), node("m2"), node("m3", false)], pods)).toEqual([]));
  test("the last that serves may not", () => {
    const one = pods
      .filter(({ metadata }) => metadata.name.startsWith("kube"))
      .map((pod, i) => (i === 0 ? pod : component("kube-apiserver", MASTERS[i]!, false)));
    expect(problems(["m1", "w"], [...nodes, node("w")], one)).toEqual([
      '"m1" is the last healthy control-plane node (not healthy: "m2", "m3")',
    ]);
  });
});

test("API servers that are no pods count by their nodes' roles", () => {
  const nodes = [node("m1", true, MASTER), node("m2", false, MASTER), node("w")];
  expect(problems(["m1"], nodes, [])).toEqual(['"m1" is the last healthy control-plane node (not healthy: "m2")']);
  expect(problems(["w"], nodes, [])).toEqual([]);
  expect(mayCarryControlPlane(nodes[0]!, [])).toBe(true);
  expect(mayCarryControlPlane(node("w"), [])).toBe(false);
  expect(mayCarryControlPlane(node("w"), [component("etcd", "w")])).toBe(true);
});
