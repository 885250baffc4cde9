import { expect, test } from "vitest";
import { input } from "../errors/input.ts";
import { readLeftovers, restoreNotes, restoreSteps } from "./after-restore.ts";

const NODES = ["/registry/minions/node1", "/registry/minions/node2"];

test.each([
  ["static-pods", [...NODES, "/registry/pods/kube-system/kube-apiserver-node1"], "move kube-apiserver.yaml"],
  [
    "self-hosted",
    [...NODES, "/registry/pods/kube-system/kube-apiserver-x7k2p", "/registry/daemonsets/kube-system/kube-apiserver"],
    "kubemend recover",
  ],
  // Static pods beside the control plane of another cluster, which is hosted here.
  [
    "static-pods",
    [...NODES, "/registry/daemonsets/tenant/kube-apiserver", "/registry/pods/kube-system/kube-apiserver-node1"],
    "move kube-apiserver.yaml",
  ],
  // What is left of the static pods of a cluster that moved its control plane onto itself.
  [
    "self-hosted",
    [...NODES, "/registry/daemonsets/kube-system/kube-apiserver", "/registry/pods/kube-system/kube-apiserver-node1"],
    "kubemend recover",
  ],
  ["self-hosted", [...NODES, "/registry/daemonsets/control/kube-apiserver"], "kubemend recover"],
  [undefined, NODES, "systemctl restart"],
])("%s", (flavour, keys, step) => {
  const leftovers = readLeftovers(keys, "/registry");
  expect(leftovers).toMatchObject({ flavour, nodes: ["node1", "node2"] });
  const steps = restoreSteps(leftovers, []);
  expect(steps.join("\n")).toContain(step);
  expect(steps[0]).toContain("the healthy ones too");
  expect(steps.findIndex((each) => each.includes(input("restoredFrom")))).toBeGreaterThan(
    steps.findIndex((each) => each.includes("start etcd on the data dir")),
  );
});

test("an etcd without Kubernetes is started, and that is all", () => {
  const leftovers = readLeftovers([], undefined);
  expect(restoreSteps(leftovers, ["b"])).toEqual([
    expect.stringContaining("stop etcd on every member of the old cluster, the healthy ones too"),
    expect.stringContaining('for "b"'),
    "start etcd on the data dir",
    expect.stringContaining(`kubemend etcd health ${input("restoredFrom")}`),
  ]);
  expect(restoreNotes(leftovers, 5)).toEqual([]);
});

test("what a restored cluster may have that it should not", () => {
  const leftovers = readLeftovers([...NODES, "/registry/masterleases/10.0.0.1"], "/registry");
  expect(restoreNotes(leftovers, 500).map(({ code, text }) => [code, text])).toEqual([
    ["revision-goes-back", expect.stringContaining(`${input("bumpRevision")} 500 ${input("markCompacted")}`)],
    ["masterleases-restored", expect.stringContaining("10.0.0.1")],
    ["nodes-restored", expect.stringContaining("2 nodes")],
  ]);
  expect(restoreNotes(leftovers, undefined)).toHaveLength(2);
});
