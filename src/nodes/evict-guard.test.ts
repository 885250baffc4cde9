import { describe, expect, test } from "vitest";
import type { KubeObject } from "../kube/object.ts";
import {
  isOutOfService,
  needsProof,
  OUT_OF_SERVICE,
  planEviction,
  servesOutOfService,
  withOutOfService,
} from "./evict-guard.ts";

function pod(name: string, kind: string, more: { metadata?: object; spec?: object; phase?: string } = {}): KubeObject {
  const ownerReferences = [{ apiVersion: "apps/v1", kind, name: "o", uid: "u", controller: true }];
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default", ownerReferences, ...more.metadata },
    spec: more.spec ?? {},
    status: { phase: more.phase ?? "Running" },
  } as unknown as KubeObject;
}

const CLAIM = { volumes: [{ name: "data", persistentVolumeClaim: { claimName: "data-0" } }] };

describe("of a dead node's pods", () => {
  const web = pod("web", "ReplicaSet");
  const db = pod("db", "StatefulSet");
  const disk = pod("disk", "ReplicaSet", { spec: CLAIM });
  const going = pod("going", "StatefulSet", { metadata: { deletionTimestamp: "2026-11-21T12:00:00Z" } });
  const agent = pod("agent", "DaemonSet");
  const done = pod("done", "Job", { phase: "Succeeded" });
  const file = pod("file", "Node", { metadata: { annotations: { "kubernetes.io/config.mirror": "x" } } });
  const bare = pod("bare", "ReplicaSet", { metadata: { ownerReferences: [] } });
  const owned = pod("owned", "Thing", {
    metadata: { ownerReferences: [{ apiVersion: "x/v1", kind: "Thing", name: "o", uid: "u" }] },
  });
  const all = [web, db, disk, bare, owned, going, agent, done, file];
  const plan = planEviction(all, false);

  test("those that nobody makes again are apart, and go only where that is asked for", () => {
    expect(plan.unreplicated).toEqual([bare, owned]);
    expect(planEviction(all, true)).toMatchObject({
      remove: [web, db, disk, bare, owned],
      unreplicated: [bare, owned],
    });
  });

  test("those that serve go", () => expect(plan.remove).toEqual([web, db, disk]));
  test("those that go already are left to it", () => expect(plan.terminating).toEqual([going]));
  test("nothing is gained by others", () => expect(plan.stay).toEqual([agent, done, file]));
  test("those with a name or a disk of their own need proof", () =>
    expect(plan.waitForProof).toEqual([db, disk, going]));
  test("one without either needs none", () => expect(needsProof(web)).toBe(false));
});

test("the taint of nodes out of service is put on once and taken off alone", () => {
  const other = { key: "node.kubernetes.io/unreachable", effect: "NoExecute" };
  const node = (taints?: object[]) =>
    ({ apiVersion: "v1", kind: "Node", metadata: { name: "n" }, spec: { taints } }) as unknown as KubeObject;
  const out = withOutOfService(node([other]), true);
  expect(out).toEqual([other, OUT_OF_SERVICE]);
  expect(withOutOfService(node([...out]), true)).toEqual(out);
  expect(isOutOfService(node([...out]))).toBe(true);
  expect(withOutOfService(node([...out]), false)).toEqual([other]);
  expect(withOutOfService(node(), false)).toEqual([]);
  expect([25, 26, 28].map(servesOutOfService)).toEqual([false, true, true]);
});
