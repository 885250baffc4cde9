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

/**
 * A cluster in which the old replica takes `looks` looks to go after it was asked to, or the new one goes in its place.
 * The mark is seen at the second look.
 */
async function move(looks: number, goes: "old" | "fresh" = "old") {
  const [old, fresh] = [pod("old", "n1"), pod("fresh", "n2")];
  const message: string[] = [];
  const calls: string[] = [];
  let isAsked = false;
  let [marked, shown] = [old, old];
  let looksAtFresh = 0;
  let left = looks;
  const scaled = {
    path: "/apis/apps/v1/namespaces/shop/deployments/web",
    name: "Deployment shop/web",
    object: { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "web" }, spec: { replicas: 1 } },
  };
  const edges = {
    api: {
      patch: async (_: string, { metadata }: KubeObject) => {
        calls.push("cost");
        marked = { ...old, metadata: { ...old.metadata, annotations: metadata.annotations ?? {} } };
      },
    },
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
      if (!isAsked && looksAtFresh++ === 0)
        return [shown, { ...fresh, status: { ...(fresh.status as object), phase: "Pending" } }];
      if (!isAsked) return [shown, fresh];
      return left-- > 0 ? [shown, fresh] : [goes === "old" ? fresh : shown];
    },
    news: async () => {
      if (calls.at(-1) === "begin") calls.push("not running yet");
      if (calls.includes("cost")) calls.push("news");
      shown = marked;
    },
    signal: new AbortController().signal,
    now: () => 0,
    report: (text: string) => void message.push(text),
  } as unknown as MoveEdges;
  const end = await new ReplicaMove(edges, { pod: old, from: "n1", to: "n2" } as never).run();
  return { end, message, calls };
}

test.each([0, 1, 5])(
  "a replica that moved is reported once, however long the old one takes to go: %i looks",
  async (looks) => {
    const { end, message, calls } = await move(looks);
    expect(end).toBe("moved");
    expect(message.filter((text) => text.includes(" moved from "))).toEqual(["pod/old moved from n1 to n2 as fresh"]);
    expect(calls.slice(0, 5)).toEqual(["begin", "not running yet", "cost", "news", "end"]);
  },
);

test("a replica that stays because its controller removed another one has not moved", async () => {
  const { end, message, calls } = await move(1, "fresh");
  expect(end).toBe("missed");
  expect(message.at(-1)).toBe("pod/old stays on n1: its controller removed another replica");
  expect(message.join()).not.toContain(" moved from ");
  expect(calls).not.toContain("bar");
});
