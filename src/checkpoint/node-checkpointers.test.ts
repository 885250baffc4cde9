import { expect, test } from "vitest";
import type { KubeObject } from "../kube/object.ts";
import { nodeCheckpointers } from "./node-checkpointers.ts";

function pod(name: string, node: string, parts: Partial<KubeObject["metadata"]> = {}, status = {}): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "kube-system", uid: name, ...parts },
    spec: { nodeName: node },
    status,
  };
}

const AGENT = { labels: { "k8s-app": "pod-checkpointer" } };
const copy = (of: string) => ({ annotations: { "checkpointer.alpha.coreos.com/checkpoint-of": of } });
const READY = { conditions: [{ type: "Ready", status: "True" }], containerStatuses: [{ restartCount: 3 }] };

test("each node with an agent or a checkpoint, in order; others are left out", () => {
  const crashing = { containerStatuses: [{ restartCount: 9, state: { waiting: { reason: "CrashLoopBackOff" } } }] };
  const found = nodeCheckpointers([
    pod("kube-apiserver-m2", "m2", copy("kube-apiserver-x7")),
    pod("pod-checkpointer-b", "m2", AGENT, crashing),
    pod("pod-checkpointer-a", "m1", AGENT, READY),
    pod("web", "w1"),
    pod("pending", "", AGENT),
    pod("flannel-w2", "w2", copy("flannel-q")),
  ]);
  expect(found).toEqual([
    { node: "m1", agent: { pod: "pod-checkpointer-a", ready: true, restarts: 3, waiting: null }, running: [] },
    {
      node: "m2",
      agent: { pod: "pod-checkpointer-b", ready: false, restarts: 9, waiting: "CrashLoopBackOff" },
      running: ["kube-apiserver-x7"],
    },
    { node: "w2", agent: null, running: ["flannel-q"] },
  ]);
});

test("the agent's own copy stands for it only where it is alone, and a pod listed twice counts once", () => {
  const own = pod("pod-checkpointer-m1", "m1", { ...AGENT, ...copy("pod-checkpointer-a") }, READY);
  const parent = pod("pod-checkpointer-a", "m1", AGENT);
  expect(nodeCheckpointers([own, own])).toMatchObject([
    { agent: { pod: "pod-checkpointer-m1" }, running: ["pod-checkpointer-a"] },
  ]);
  expect(nodeCheckpointers([own, parent])).toMatchObject([{ agent: { pod: "pod-checkpointer-a", ready: false } }]);
});
