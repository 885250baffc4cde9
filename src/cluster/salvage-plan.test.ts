import { expect, test } from "vitest";
import { input } from "../errors/input.ts";
import { planSalvageOfNodes, type SurvivingNode } from "./salvage-plan.ts";

const NOW = Date.parse("2026-11-29T10:42:17.123Z");

const AMPLE = { gathering: { path: "/tmp", freeBytes: 1e12 }, withoutData: [] };

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
    dataBytes: 500e6,
    freeBytes: 1e12,
    open: [],
    ...parts,
  };
}

test("a new salvage is named by its time, and stops nothing where all is well", () => {
  const plan = planSalvageOfNodes([node("m1"), node("m2", { hasData: false })], "d", NOW, "c0ffee", AMPLE);
  expect(plan).toMatchObject({ id: "salvage-20261129-104217-c0ffee", digest: "d", problems: [] });
});

test("one that was begun for the same continues under its name, another one is a problem", () => {
  const same = { id: "salvage-1", digest: "d", state: "stopped" };
  const other = { id: "restore-2", digest: "e", state: "stopped" };
  const plan = planSalvageOfNodes(
    [node("m1", { open: [same] }), node("m2", { open: [other] })],
    "d",
    NOW,
    "c0ffee",
    AMPLE,
  );
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
  expect(planSalvageOfNodes(nodes, "d", NOW, "c0ffee", AMPLE).problems).toEqual([problem]);
});

const gatheredIn = (freeBytes: number, ...withoutData: string[]) => ({
  gathering: { path: "/tmp", freeBytes },
  withoutData,
});

test("the space for all of the data and one more is asked for, where it is gathered", () => {
  const nodes = [node("m1", { dataBytes: 400e6 }), node("m2", { dataBytes: 300e6 }), node("m3", { dataBytes: 900e6 })];
  const problems = (place: ReturnType<typeof gatheredIn>) =>
    planSalvageOfNodes(nodes, "d", NOW, "c0ffee", place).problems;
  expect(problems(gatheredIn(2500e6))).toEqual([]);
  expect(problems(gatheredIn(2499e6))).toEqual([
    `2499 MB are free in "/tmp", where the survivors' data is gathered, and 2500 MB are needed: ` +
      `name another directory with ${input("workDir")}`,
  ]);
  expect(problems(gatheredIn(1100e6, "m3"))).toEqual([]);
});

test("the space for another data dir is asked for on each node, until an earlier run has put it there", () => {
  const full = { dataBytes: 400e6, freeBytes: 399e6 };
  const problems = (...nodes: readonly SurvivingNode[]) =>
    planSalvageOfNodes(nodes, "d", NOW, "c0ffee", AMPLE).problems;
  expect(problems(node("m1", { dataBytes: 300e6 }), node("m2", full))).toEqual([
    'node "m2": 399 MB are free for /var/lib/etcd, and 400 MB are needed',
  ]);
  const begun = { id: "salvage-1", digest: "d", state: "stopped" };
  expect(problems(node("m1", { dataBytes: 300e6 }), node("m2", { ...full, open: [begun] }))).toEqual([]);
});
