import { expect, test } from "vitest";
import { planSalvageOfNodes, type SurvivingNode } from "./salvage-plan.ts";

const NOW = Date.parse("2026-11-29T10:42:17.123Z");

function node(name: string, parts: Partial<SurvivingNode> = {}): SurvivingNode {
  return {
    name,
    nodeName: name,
    address: `10.0.0.${name.slice(-1)}`,
    peerUrl: `https://10.0.0.${name.slice(-1)}:2380`,
    isRoot: true,
    kubeletRuns: true,
    dataDir: "/var/lib/etcd",
    hasData: true,
    etcd: { dataDir: "/var/lib/etcd", walDir: null, forcesNewCluster: false },
    unreadable: [],
    open: [],
    ...parts,
  };
}

test("a new salvage is named by its time, and stops nothing where all is well", () => {
  const plan = planSalvageOfNodes([node("m1"), node("m2", { hasData: false })], "d", NOW, "c0ffee");
  expect(plan).toMatchObject({ id: "salvage-20261129-104217-c0ffee", digest: "d", problems: [] });
});

test("one that was begun for the same continues under its name, another one is a problem", () => {
  const same = { id: "salvage-1", digest: "d", state: "stopped" };
  const other = { id: "restore-2", digest: "e", state: "stopped" };
  const plan = planSalvageOfNodes([node("m1", { open: [same] }), node("m2", { open: [other] })], "d", NOW, "c0ffee");
  expect(plan.id).toBe("salvage-1");
  expect(plan.problems).toEqual(['node "m2": operation restore-2 was begun and not finished']);
});

test.each<[what: string, nodes: readonly SurvivingNode[], problem: string]>([
  ["another machine", [node("m1", { nodeName: "x" })], 'the machine at 10.0.0.1 is node "x", not "m1"'],
  ["no root", [node("m1", { isRoot: false })], 'node "m1": kubemend does not run as root there'],
  [
    "no kubelet",
    [node("m1", { kubeletRuns: false })],
    'node "m1": no kubelet runs, which starts and stops the static pods',
  ],
  [
    "no data anywhere",
    [node("m1", { hasData: false })],
    "no survivor has any data of etcd: restore a backup with kubemend cluster restore",
  ],
  [
    "a log in a directory of its own",
    [node("m1", { etcd: { dataDir: "/var/lib/etcd", walDir: "/data/wal", forcesNewCluster: false } })],
    'node "m1": etcd keeps its log apart from its data, in /data/wal (--wal-dir), which this command does not restore: ' +
      "see the option for it of kubemend snapshot restore and etcd salvage, for one node at a time",
  ],
  [
    "a flag of an earlier attempt",
    [node("m1", { etcd: { dataDir: "/var/lib/etcd", walDir: null, forcesNewCluster: true } })],
    'node "m1": the manifest of etcd there has --force-new-cluster, with which each member makes a cluster of its own: ' +
      "take it out",
  ],
  [
    "a torn manifest",
    [node("m1", { unreadable: [{ path: "/m/kube-scheduler.yaml", fault: "it holds no pod" }] })],
    'node "m1": /m/kube-scheduler.yaml cannot be read as a manifest (it holds no pod): move it away',
  ],
  [
    "one peer URL twice",
    [node("m1"), node("m2", { peerUrl: "https://10.0.0.2:2380,https://10.0.0.1:2380" })],
    "two nodes have the peer URL https://10.0.0.1:2380",
  ],
])("%s stops it", (_, nodes, problem) => {
  expect(planSalvageOfNodes(nodes, "d", NOW, "c0ffee").problems).toEqual([problem]);
});
