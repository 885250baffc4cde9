import { describe, expect, test } from "vitest";
import { objectOf } from "../kube/fields.ts";
import type { JsonObject, KubeObject } from "../kube/object.ts";
import {
  afterHandOver,
  beforeHandOver,
  movablePods,
  type Observation,
  parseRequiredPod,
  rejectedPods,
  replacedNodes,
  silentNodes,
  strandedPods,
} from "./pivot.ts";

const REQUIRED = ["kube-apiserver", "kube-scheduler"].map((prefix) => ({ namespace: "kube-system", prefix }));
const LEASES = ["kube-scheduler"];
const NOBODY: ReadonlySet<string> = new Set();

const node = (name: string, ready = "True"): KubeObject => ({
  apiVersion: "v1",
  kind: "Node",
  metadata: { name },
  status: { conditions: [{ type: "Ready", status: ready, message: "container runtime is down" }] },
});

function pod(
  name: string,
  on: string,
  more: { ready?: boolean; id?: string; waiting?: string; message?: string } = {},
): KubeObject {
  const { ready = true, id = `${name}-container`, waiting, message = "" } = more;
  const state = waiting === undefined ? { running: {} } : { waiting: { reason: waiting, message } };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "kube-system" },
    spec: on === "" ? {} : { nodeName: on },
    status: {
      conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
      containerStatuses: [{ containerID: `containerd://${id}`, state }],
    },
  };
}

function look(pods: KubeObject[], changes: Partial<Observation> = {}): Observation {
  return {
    pods,
    nodes: [node("a")],
    aliveNodes: new Set(["a"]),
    localNode: "a",
    localContainers: new Set(pods.map(({ metadata }) => `${metadata.name}-container`)),
    localAddresses: new Set(["10.0.0.1"]),
    ...changes,
  };
}

const GOOD = [pod("kube-apiserver-1", "a"), pod("kube-scheduler-1", "a")];

test("nothing is in the way of pods that run", () => {
  expect(beforeHandOver(REQUIRED, look(GOOD), NOBODY)).toEqual([]);
  expect(afterHandOver(REQUIRED, look(GOOD), [], new Set(LEASES), LEASES)).toEqual([]);
});

test("the API server's pod cannot listen while the temporary one does: that the kubelet has tried it is enough", () => {
  const crashing = pod("kube-apiserver-1", "a", { ready: false, waiting: "CrashLoopBackOff" });
  const pods = [crashing, GOOD[1]!];
  expect(beforeHandOver(REQUIRED, look(pods), new Set(["kube-apiserver"]))).toEqual([]);
  expect(beforeHandOver(REQUIRED, look(pods), NOBODY)).toEqual([
    'pod "kube-system/kube-apiserver-1" to run: CrashLoopBackOff',
  ]);
});

describe("a scheduler that crashes beside the temporary one", () => {
  const TAKEN = ["listen tcp 127.0.0.1:10259: bind: address already in use"];
  const WAITING = [expect.stringMatching(/^pod "kube-system\/kube-scheduler-1" to /)];

  test.each<[string, Parameters<typeof crashing>[0], Partial<Observation>, boolean]>([
    [
      "on the host's network, by its last words for want of the port",
      { hostNetwork: true },
      { localLog: () => TAKEN },
      true,
    ],
    ["whose last words cannot be read", { hostNetwork: true }, {}, true],
    ["for another reason", { hostNetwork: true }, { localLog: () => ["unknown flag: --nonsense"] }, false],
    ["that has said nothing yet", { hostNetwork: true }, { localLog: () => [] }, false],
    ["on a network of its own", {}, { localLog: () => TAKEN }, false],
    [
      "on another node",
      { hostNetwork: true },
      { localLog: () => TAKEN, localNode: "b", nodes: [node("a"), node("b")], aliveNodes: new Set(["a", "b"]) },
      false,
    ],
  ])("%s", (_, spec, changes, isEnough) => {
    const seen = look([GOOD[0]!, crashing(spec)], changes);
    expect(beforeHandOver(REQUIRED, seen, new Set(["kube-scheduler"]))).toEqual(isEnough ? [] : WAITING);
    expect(beforeHandOver(REQUIRED, seen, NOBODY)).toEqual(WAITING);
  });

  function crashing(spec: JsonObject): KubeObject {
    const made = pod("kube-scheduler-1", "a", { ready: false, waiting: "CrashLoopBackOff" });
    return { ...made, spec: { ...objectOf(made.spec), ...spec } };
  }
});

test.each<[string, Observation, string]>([
  ["no pod", look([GOOD[0]!]), 'pod "kube-system/kube-scheduler" to be created'],
  [
    "no node for it",
    look([GOOD[0]!, pod("kube-scheduler-1", "")]),
    'pod "kube-system/kube-scheduler-1" to be scheduled',
  ],
  [
    "no image",
    look([GOOD[0]!, pod("kube-scheduler-1", "a", { ready: false, waiting: "ErrImagePull", message: "not found" })]),
    'pod "kube-system/kube-scheduler-1" to run: ErrImagePull: not found',
  ],
  [
    "etcd says Ready, and nothing runs here",
    look(GOOD, { localContainers: new Set(["kube-apiserver-1-container"]) }),
    'pod "kube-system/kube-scheduler-1" to be ready',
  ],
  [
    "etcd says Ready, and the node is gone",
    look([GOOD[0]!, pod("kube-scheduler-1", "b")]),
    'node "b", which has pod "kube-system/kube-scheduler-1", to give a sign of life',
  ],
  ["no node", look(GOOD, { nodes: [] }), 'this machine\'s node "a" to register'],
  ["a silent kubelet", look(GOOD, { aliveNodes: new Set() }), 'the kubelet of node "a" to renew its lease'],
  [
    "a node that is not Ready",
    look(GOOD, { nodes: [node("a", "False")] }),
    'node "a" to be Ready: container runtime is down',
  ],
])("what is in the way is reported: %s", (_, seen, sentence) => {
  expect(beforeHandOver(REQUIRED, seen, NOBODY)).toContain(sentence);
});

test("a crash on this machine is told by its last words", () => {
  const crashing = pod("kube-scheduler-1", "a", { ready: false, waiting: "CrashLoopBackOff", message: "back-off 10s" });
  const localLog = () => ["unknown flag: --nonsense"];
  expect(beforeHandOver(REQUIRED, look([GOOD[0]!, crashing], { localLog }), NOBODY)).toEqual([
    'pod "kube-system/kube-scheduler-1" to run: it crashes, and says last: unknown flag: --nonsense',
  ]);
  expect(beforeHandOver(REQUIRED, look([GOOD[0]!, crashing], { localLog: () => undefined }), NOBODY)).toEqual([
    'pod "kube-system/kube-scheduler-1" to run: CrashLoopBackOff: back-off 10s',
  ]);
});

test("a lease proves nothing while the temporary holder may still run", () => {
  const temporary = [{ namespace: "kube-system", name: "bootstrap-kube-scheduler-a", containers: ["t"] }];
  const mirror = [...GOOD, pod("bootstrap-kube-scheduler-a", "a")];
  const still = ['temporary pod "bootstrap-kube-scheduler-a" to end'];
  expect(afterHandOver(REQUIRED, look(mirror), temporary, new Set(LEASES), LEASES)).toEqual(still);
  const processes = new Set([...GOOD.map(({ metadata }) => `${metadata.name}-container`), "t"]);
  expect(
    afterHandOver(REQUIRED, look(GOOD, { localContainers: processes }), temporary, new Set(LEASES), LEASES),
  ).toEqual(still);
  expect(afterHandOver(REQUIRED, look(GOOD), temporary, new Set(), LEASES)).toEqual([
    "kube-scheduler to hold its lease",
  ]);
  expect(afterHandOver(REQUIRED, look(GOOD), temporary, new Set(LEASES), LEASES)).toEqual([]);
});

test("pods on nodes that are gone are stranded", () => {
  const pods = [...GOOD, pod("kube-scheduler-2", "gone"), pod("web-1", "gone")];
  expect(strandedPods(REQUIRED, look(pods)).map(({ metadata }) => metadata.name)).toEqual(["kube-scheduler-2"]);
});

test("required pods read as bootkube's", () => {
  expect(parseRequiredPod("kube-system/kube-apiserver")).toEqual({
    namespace: "kube-system",
    prefix: "kube-apiserver",
  });
  expect(parseRequiredPod("coredns")).toEqual({ namespace: "kube-system", prefix: "coredns" });
  for (const text of ["", "a/", "/b", "a/b/c"]) expect(parseRequiredPod(text)).toBeUndefined();
});

test("a silent node whose address this machine has is replaced; others are only silent", () => {
  const at = (name: string, address: string): KubeObject => ({
    ...node(name),
    status: { addresses: [{ type: "InternalIP", address }] },
  });
  const nodes = [at("a", "10.0.0.1"), at("before-a", "10.0.0.1"), at("silent", "10.0.0.2"), at("fine", "10.0.0.3")];
  const seen = look([pod("web", "before-a"), pod("other", "silent")], { nodes, aliveNodes: new Set(["a", "fine"]) });
  expect(replacedNodes(seen)).toEqual(["before-a"]);
  expect(silentNodes(seen)).toEqual(["before-a", "silent"]);
  expect(movablePods(["before-a"], seen).map(({ metadata }) => metadata.name)).toEqual(["web"]);
  expect(replacedNodes({ ...seen, aliveNodes: new Set(["a", "before-a"]) })).toEqual([]);
  expect(replacedNodes({ ...seen, localNode: undefined })).toEqual([]);
});

test("pods that belong to their node are not movable", () => {
  const owned = (name: string, kind: string): KubeObject => {
    const made = pod(name, "a");
    const owner = { apiVersion: "v1", kind, name: "x", uid: "1" };
    return { ...made, metadata: { ...made.metadata, ownerReferences: [owner] } };
  };
  const seen = look([owned("proxy", "DaemonSet"), owned("static", "Node"), owned("web", "ReplicaSet")]);
  expect(movablePods(["a"], seen).map(({ metadata }) => metadata.name)).toEqual(["web"]);
});

test("a pod that the kubelet has turned away is none of those to wait for", () => {
  const refused = pod("kube-scheduler-0", "a", { ready: false });
  const failed = { ...refused, status: { phase: "Failed", reason: "NodeAffinity" } };
  const other = { ...pod("web", "a"), status: { phase: "Failed", reason: "NodeAffinity" } };
  const seen = look([failed, other, ...GOOD]);
  expect(rejectedPods(REQUIRED, seen)).toEqual([failed]);
  expect(beforeHandOver(REQUIRED, look([failed, GOOD[0]!]), NOBODY)).toEqual([
    'pod "kube-system/kube-scheduler" to be created',
  ]);
});
