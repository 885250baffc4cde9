import { describe, expect, test } from "vitest";
import { type EtcdSeen, type LivingNode, type NewMachine, planReplacement } from "./replace-plan.ts";

const living = (name: string, more: Partial<LivingNode> = {}): LivingNode => {
  const address = `10.0.0.${name.slice(-1)}`;
  return { name, address, nodeName: name, isRoot: true, hasKubeadm: true, ...more };
};
const machine = (more: Partial<NewMachine> = {}): NewMachine => {
  return { name: "cp3", address: "10.0.0.23", isRoot: true, hasKubeadm: true, leftovers: [], running: [], ...more };
};
const etcd = (answers: Readonly<Record<string, boolean>>): EtcdSeen => {
  const members = Object.entries(answers).map(([name, each]) => ({
    id: `id-${name}`,
    name,
    peerUrls: [],
    answers: each,
  }));
  const quorum = Math.floor(members.length / 2) + 1;
  return { members, quorum, answeringVoters: members.filter((each) => each.answers).length };
};
const NODES = [living("cp1"), living("cp2")];
const LOST = etcd({ cp1: true, cp2: true, cp3: false });

test("the lost member goes first, and its Node object", () => {
  expect(planReplacement(NODES, machine(), LOST, false)).toMatchObject({
    lead: { name: "cp1" },
    removeMembers: [{ id: "id-cp3", name: "cp3" }],
    deleteNode: true,
    problems: [],
  });
});

test("a run that was cut off finds done what it did", () => {
  const seen = planReplacement(NODES, machine(), etcd({ cp1: true, cp2: true }), undefined);
  expect(seen).toMatchObject({ removeMembers: [], deleteNode: false, problems: [] });
});

test("a member that a failed join has added goes as well, and no other that never started", () => {
  const seen = etcd({ cp1: true, cp2: true });
  const unstarted = (id: string, url: string) => ({ id, name: "", peerUrls: [url], answers: false });
  const members = [
    ...seen.members,
    unstarted("a1", "https://10.0.0.23:2380"),
    unstarted("b2", "https://10.0.0.99:2380"),
  ];
  const plan = planReplacement(NODES, machine(), { ...seen, members }, undefined);
  expect(plan).toMatchObject({ removeMembers: [{ id: "a1", name: "" }], problems: [] });
});

describe("what speaks against it", () => {
  test.each<[string, readonly LivingNode[], NewMachine, EtcdSeen, boolean | undefined, string]>([
    [
      "its member answers",
      NODES,
      machine(),
      etcd({ cp1: true, cp2: true, cp3: true }),
      false,
      'etcd member "cp3" answers',
    ],
    ["it is Ready", NODES, machine(), LOST, true, 'node "cp3" is Ready'],
    ["no quorum", NODES, machine(), etcd({ cp1: true, cp2: false, cp3: false }), false, "etcd has no quorum"],
    ["no kubeadm there", NODES, machine({ hasKubeadm: false }), LOST, false, "the machine at 10.0.0.23 has no kubeadm"],
    ["no kubeadm here", [living("cp1", { hasKubeadm: false })], machine(), LOST, false, 'node "cp1" has no kubeadm'],
    [
      "leftovers",
      NODES,
      machine({ leftovers: ["/etc/kubernetes/pki"] }),
      LOST,
      false,
      "has /etc/kubernetes/pki: empty it",
    ],
    ["something runs", NODES, machine({ running: ["etcd"] }), LOST, false, "the machine at 10.0.0.23 runs etcd"],
    ["no root", NODES, machine({ isRoot: false }), LOST, false, "kubemend does not run as root there"],
    ["another machine", [living("cp1", { nodeName: "w7" })], machine(), LOST, false, 'is node "w7", not "cp1"'],
    ["nobody lives", [], machine(), LOST, false, "no living control-plane node is named"],
  ])("%s", (_, nodes, fresh, seen, ready, problem) => {
    expect(planReplacement(nodes, fresh, seen, ready).problems.join("\n")).toContain(problem);
  });
});
