import { describe, expect, test } from "vitest";
import { type ClusterHealth, judgeCluster, type MemberHealth } from "../diagnosis/etcd-health.ts";
import {
  findMember,
  guardAddition,
  guardLeadership,
  guardPromotion,
  guardRemoval,
  planDefragmentation,
  quorumOf,
} from "./member-guards.ts";

/** `V` a voter that answers, `v` one that does not, `L` and `l` learners; the first that answers leads. */
function cluster(states: string): ClusterHealth {
  const leader = [...states].indexOf("V");
  const members = [...states].map((state, index): MemberHealth => {
    const answers = state === state.toUpperCase();
    const status = {
      version: "3.5.16",
      dbSize: 1,
      dbSizeInUse: 1,
      dbSizeQuota: null,
      leader: leader < 0 ? null : `a${leader}`,
      clusterId: "c",
      raftTerm: 1,
      raftIndex: 1,
      raftAppliedIndex: 1,
      revision: 1,
      errors: [],
      latencyMilliseconds: 1,
      hash: null,
    };
    return {
      id: `a${index}`,
      name: `m${index}`,
      isLearner: /l/i.test(state),
      endpoint: `https://10.0.0.${index}:2379`,
      status: answers ? status : null,
      error: answers ? null : "connection refused",
      hangs: false,
    };
  });
  return { ...judgeCluster(members, []), clusterId: "c", members };
}

const at = (health: ClusterHealth, index: number): MemberHealth => findMember(health.members, `m${index}`);
const refused = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    return (error as Error).message;
  }
  return "allowed";
};

test("quorum", () => {
  expect([1, 2, 3, 4, 5].map(quorumOf)).toEqual([1, 2, 2, 3, 3]);
});

test("members are found by id and by name, and a name of two is none", () => {
  const { members } = cluster("VVV");
  expect(findMember(members, "A1").name).toBe("m1");
  expect(findMember(members, "m2").id).toBe("a2");
  expect(refused(() => findMember(members, "m9"))).toBe('no member "m9"');
  const twins = members.map((member) => ({ ...member, name: "etcd" }));
  expect(refused(() => findMember(twins, "etcd"))).toBe('3 members are named "etcd"');
});

describe("what may be removed", () => {
  test.each([
    ["V", 0, "is the last voting member"],
    ["VL", 0, "is the last voting member"],
    ["VL", 1, "allowed"],
    ["VV", 0, "allowed"],
    ["VVv", 2, "allowed"],
    ["VVv", 0, "1 of 2 voters answer and 2 have to"],
    ["VVVv", 0, "allowed"],
    ["VVVvv", 0, "2 of 4 voters answer and 3 have to"],
    ["Vv", 1, "1 of 2 voters answer, and 2 have to"],
  ])("%s without member %i: %s", (states, index, expected) => {
    const health = cluster(states);
    expect(refused(() => guardRemoval(health, at(health, index), false))).toContain(expected);
  });

  test("force goes below the quorum that comes after, not beyond the last member or without a quorum now", () => {
    const allowed = cluster("VVv");
    expect(refused(() => guardRemoval(allowed, at(allowed, 0), true))).toBe("allowed");
    const last = cluster("V");
    expect(refused(() => guardRemoval(last, at(last, 0), true))).toContain("last voting member");
    const none = cluster("Vvv");
    expect(refused(() => guardRemoval(none, at(none, 1), true))).toContain("1 of 3 voters answer");
  });
});

describe("what may be added", () => {
  test.each([
    ["V", true, "allowed"],
    ["V", false, "with one more voter, 2 have to answer, and 1 do"],
    ["VV", false, "allowed"],
    ["VVv", false, "with one more voter, 3 have to answer"],
    ["VVv", true, "allowed"],
    ["Vvv", true, "1 of 3 voters answer"],
  ])("to %s, a learner %s: %s", (states, isLearner, expected) => {
    const peerUrls = ["https://10.0.0.9:2380"];
    expect(refused(() => guardAddition(cluster(states), { peerUrls, isLearner }, new Map()))).toContain(expected);
  });

  test("no URL twice, and no second member before the first was started", () => {
    const peerUrls = ["https://10.0.0.1:2380"];
    const known = new Map([["a1", peerUrls]]);
    expect(refused(() => guardAddition(cluster("VV"), { peerUrls, isLearner: true }, known))).toContain(
      "has the peer URL",
    );
    const { members, ...rest } = cluster("VVl");
    const unstarted = { ...rest, members: members.map((each, i) => (i === 2 ? { ...each, name: "" } : each)) };
    const added = () => guardAddition(unstarted, { peerUrls, isLearner: true }, new Map());
    expect(refused(added)).toBe("member a2 was added before and is not started yet");
  });
});

test("learners are promoted where they answer; voters that answer may lead", () => {
  const health = cluster("VVLl");
  expect(refused(() => guardPromotion(health, at(health, 2)))).toBe("allowed");
  expect(refused(() => guardPromotion(health, at(health, 3)))).toContain("does not answer: connection refused");
  expect(refused(() => guardPromotion(health, at(health, 0)))).toContain("votes already");
  expect(refused(() => guardLeadership(at(health, 1)))).toBe("allowed");
  expect(refused(() => guardLeadership(at(health, 2)))).toContain("is a learner");
  expect(refused(() => guardLeadership(at(cluster("Vv"), 1)))).toContain("does not answer");
});

describe("defragmentation", () => {
  const order = (states: string, force = false) => {
    const health = cluster(states);
    return planDefragmentation(health, health.members, force).map((member) => member.name);
  };
  test("the leader comes last", () => expect(order("VVV")).toEqual(["m1", "m2", "m0"]));
  test("a single member has none to spare", () => expect(order("V")).toEqual(["m0"]));
  test("members that do not answer stop it", () => expect(refused(() => order("VVv"))).toContain("does not answer"));
  test("two voters of two are needed", () => {
    expect(refused(() => order("VV"))).toContain("2 of 2 voters answer");
    expect(order("VV", true)).toEqual(["m1", "m0"]);
  });
});
