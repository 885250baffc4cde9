import { expect, test } from "vitest";
import type { KubeObject } from "../../kube/object.ts";
import { type MoveEdges, ReplicaMove } from "./move-replica.ts";

const OWNER = { apiVersion: "apps/v1", kind: "ReplicaSet", name: "web", uid: "rs", controller: true };

const pod = (name: string, nodeName: string): KubeObject => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: "shop", uid: name, ownerReferences: [OWNER] },
  spec: { nodeName },
  status: { phase: "Running", conditions: [{ type: "Ready", status: "True" }] },
});

/** A cluster in which the old replica takes `looks` looks to go after it was asked to. */
async function move(looks: number): Promise<{ isMoved: boolean; message: string[]; calls: string[] }> {
  const [old, fresh] = [pod("old", "n1"), pod("fresh", "n2")];
  const message: string[] = [];
  const calls: string[] = [];
  let isAsked = false;
  let left = looks;
  const scaled = {
    path: "/apis/apps/v1/namespaces/shop/deployments/web",
    name: "Deployment shop/web",
    object: { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "web" }, spec: { replicas: 1 } },
  };
  const edges = {
    api: { patch: async () => void calls.push("cost") },
    owners: { look: async () => ({ scaled, state: "steady" }), bar: () => void calls.push("bar") },
    surges: {
      begin: async () => {
        calls.push("begin");
        return true;
      },
      end: async () => {
        calls.push("end");
        isAsked = true;
      },
    },
    method: { by: "deletion" },
    hasDeletionCost: true,
    targets: new Set(["n2"]),
    readyMs: 1000,
    pods: () => {
      if (!calls.includes("begin")) return [old];
      if (!isAsked) return [old, fresh];
      return left-- > 0 ? [old, fresh] : [fresh];
    },
    news: async () => {},
    signal: new AbortController().signal,
    now: () => 0,
    report: (text: string) => void message.push(text),
  } as unknown as MoveEdges;
  const isMoved = await new ReplicaMove(edges, { pod: old, from: "n1", to: "n2" } as never).run();
  return { isMoved, message, calls };
}

test.each([0, 1, 5])(
  "a replica that moved is reported once, however long the old one takes to go: %i looks",
  async (looks) => {
    const { isMoved, message, calls } = await move(looks);
    expect(isMoved).toBe(true);
    expect(message.filter((text) => text.includes(" moved from "))).toEqual(["pod/old moved from n1 to n2 as fresh"]);
    expect(calls.slice(0, 3)).toEqual(["begin", "cost", "end"]);
  },
);
