import { describe, expect, test } from "vitest";
import type { KubeObject } from "../kube/object.ts";
import { type ClusterSeen, leasesOfTheStopped, leftToDo, notYet, passedOver, readyNodes } from "./since-restore.ts";

const RESTORED = 1_000_000;
const COMPONENTS = ["etcd", "kube-apiserver"];

function object(
  kind: string,
  name: string,
  resourceVersion: number,
  more: object = {},
  namespace?: string,
): KubeObject {
  const metadata = {
    name,
    resourceVersion: String(resourceVersion),
    ...(namespace === undefined ? {} : { namespace }),
  };
  return { apiVersion: "v1", kind, metadata, ...more } as KubeObject;
}
const READY = { status: { conditions: [{ type: "Ready", status: "True" }] } };
const lease = (namespace: string, name: string, version: number, holderIdentity = "m1_1") =>
  object("Lease", name, version, { spec: { holderIdentity } }, namespace);
function mirror(node: string, component: string, version: number): KubeObject {
  const pod = object("Pod", `${component}-${node}`, version, { spec: { nodeName: node }, ...READY }, "kube-system");
  const annotations = { "kubernetes.io/config.mirror": "a", "kubernetes.io/config.hash": "a" };
  return { ...pod, metadata: { ...pod.metadata, annotations } } as KubeObject;
}

/** Everything was written since the restore. */
function seen(more: Partial<ClusterSeen> = {}): ClusterSeen {
  return {
    nodes: ["m1", "w1"].map((name) => object("Node", name, 17, READY)),
    leases: [
      lease("kube-system", "kube-controller-manager", RESTORED + 5),
      lease("kube-system", "kube-scheduler", RESTORED + 6),
      lease("kube-node-lease", "m1", RESTORED + 7, "m1"),
      lease("kube-node-lease", "w1", RESTORED + 8, "w1"),
    ],
    pods: COMPONENTS.map((component) => mirror("m1", component, RESTORED + 9)),
    attachments: [],
    ...more,
  };
}
const withLease = (changed: KubeObject): ClusterSeen => {
  const { leases } = seen();
  const isOther = (each: KubeObject) =>
    each.metadata.name !== changed.metadata.name || each.metadata.namespace !== changed.metadata.namespace;
  return seen({ leases: [...leases.filter(isOther), changed] });
};
const look = (what: ClusterSeen) => notYet(what, ["m1"], COMPONENTS, RESTORED);

test("all of it written since: nothing is missing, and nothing is left", () => {
  expect(look(seen())).toBeUndefined();
  expect(readyNodes(seen(), RESTORED)).toEqual(["m1", "w1"]);
  expect(leftToDo(seen(), RESTORED)).toEqual([]);
});

describe("what the backup says is no proof", () => {
  test.each<[string, ClusterSeen, string]>([
    [
      "a lease of the backup",
      withLease(lease("kube-system", "kube-scheduler", RESTORED)),
      "nobody holds the lease of kube-scheduler yet",
    ],
    [
      "a lease that was given up",
      withLease(lease("kube-system", "kube-scheduler", RESTORED + 9, "")),
      "nobody holds the lease of kube-scheduler yet",
    ],
    [
      "a node that was Ready then",
      withLease(lease("kube-node-lease", "m1", 900)),
      "the kubelet of m1 has not reported since etcd runs again",
    ],
    ["a node that is not there", seen({ nodes: [] }), "node m1 is not Ready yet"],
    [
      "a pod that was Ready then",
      seen({ pods: [mirror("m1", "etcd", RESTORED + 1), mirror("m1", "kube-apiserver", 900)] }),
      "kube-apiserver on m1 was not seen to run since etcd runs again",
    ],
    [
      "a pod that is not there",
      seen({ pods: [mirror("m1", "etcd", RESTORED + 1)] }),
      "kube-apiserver on m1 is not Ready yet",
    ],
  ])("%s", (_, what, text) => expect(look(what)).toBe(text));
});

test("what is left to a person: dead nodes, leases that nobody renews, volumes that are attached to what is gone", () => {
  const attached = (name: string, nodeName: string) =>
    object("VolumeAttachment", name, 5, { spec: { nodeName, source: { persistentVolumeName: `pv-${name}` } } });
  const base = withLease(lease("kube-node-lease", "w1", 900, "w1"));
  const what = {
    ...base,
    leases: [...base.leases, lease("shop", "cert-manager", 900, "cert-manager-7")],
    attachments: [attached("csi-1", "m1"), attached("csi-2", "w1"), attached("csi-3", "w9")],
  };
  expect(leftToDo(what, RESTORED)).toEqual([
    'node "w1" is not Ready, or its kubelet has not reported since: bring it back, or see kubemend node evict',
    'lease "shop/cert-manager" is held by "cert-manager-7" as before, and was not renewed yet: see whether its pod runs',
    'volume "pv-csi-2" is attached to node "w1", which is not Ready: detach it at its storage, and delete volumeattachment "csi-2"',
    'volume "pv-csi-3" is attached to node "w9", which is no longer there: detach it at its storage, and delete volumeattachment "csi-3"',
  ]);
});

test("leases of the backup are given up where their holders ran on nodes that were stopped", () => {
  const released = (name: string, holder: string, version = RESTORED, namespace = "kube-system") =>
    leasesOfTheStopped([lease(namespace, name, version, holder)], ["m1", "m2"], RESTORED).map((each) => each.holder);
  expect(released("kube-scheduler", "m1_1")).toEqual(["m1_1"]);
  expect(released("kube-controller-manager", "M2_1")).toEqual(["M2_1"]);
  // Somebody holds it again; nobody did; another machine's; another program's.
  expect(released("kube-scheduler", "m1_1", RESTORED + 1)).toEqual([]);
  expect(released("kube-scheduler", "")).toEqual([]);
  expect(released("kube-scheduler", "m3_1")).toEqual([]);
  expect(released("operator", "m1_1")).toEqual([]);
  expect(released("kube-scheduler", "m1_1", RESTORED, "default")).toEqual([]);
});

test("a static pod that started and is not ready without a probe that says so was passed over by its kubelet", () => {
  const NOT_READY = { type: "Ready", status: "False" };
  const started = { name: "etcd", started: true, ready: false };
  const found = (node: string, containerStatuses: object[], condition: object = NOT_READY, readinessProbe?: object) => {
    const pod = mirror(node, "etcd", RESTORED + 1);
    const containers = [{ name: "etcd", ...(readinessProbe && { readinessProbe }) }];
    const spec = { nodeName: node, containers };
    const pods = [{ ...pod, spec, status: { conditions: [condition], containerStatuses } }] as unknown as KubeObject[];
    return passedOver({ pods }, ["m1"]).length;
  };
  expect(found("m1", [started])).toBe(1);
  expect(found("m1", [started, { name: "other", started: true, ready: true }])).toBe(1);
  expect(found("m1", [{ ...started, started: false }])).toBe(0);
  expect(found("m1", [started], { type: "Ready", status: "True" })).toBe(0);
  expect(found("m1", [started], NOT_READY, {})).toBe(0);
  expect(found("m1", [])).toBe(0);
  expect(found("w1", [started])).toBe(0);
});
