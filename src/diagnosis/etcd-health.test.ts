import { describe, expect, test } from "vitest";
import { judgeCluster, type MemberAnswer, type MemberHealth } from "./etcd-health.ts";

const answer = (more: Partial<MemberAnswer> = {}): MemberAnswer => ({
  version: "3.5.16",
  dbSize: 1000,
  dbSizeInUse: 900,
  dbSizeQuota: null,
  leader: "1",
  clusterId: "c",
  raftTerm: 2,
  raftIndex: 100,
  raftAppliedIndex: 100,
  revision: 50,
  errors: [],
  latencyMilliseconds: 1,
  hash: { hash: 7, compactRevision: 1 },
  ...more,
});

const member = (id: string, more: Partial<MemberHealth> = {}): MemberHealth => ({
  id,
  name: `m${id}`,
  isLearner: false,
  endpoint: `http://${id}:2379`,
  status: answer(),
  error: null,
  hangs: false,
  ...more,
});

const codes = (...args: Parameters<typeof judgeCluster>): string[] =>
  judgeCluster(...args).findings.map((finding) => finding.code);

test.each([
  [1, 1, 0],
  [2, 2, 0],
  [3, 3, 1],
  [3, 2, 0],
  [3, 1, -1],
  [5, 5, 2],
  [5, 3, 0],
  [5, 2, -1],
])("%d voters, %d of them answering: %d more losses", (voters, answering, losses) => {
  const members = Array.from({ length: voters }, (_, i) =>
    member(String(i + 1), i < answering ? {} : { status: null, error: "gone" }),
  );
  expect(judgeCluster(members, [])).toMatchObject({
    voters,
    answeringVoters: answering,
    survivesLosses: losses,
    healthy: voters === answering,
  });
});

test("a learner does not count", () => {
  const members = [member("1"), member("2", { isLearner: true, status: null, name: "" })];
  expect(judgeCluster(members, [])).toMatchObject({ voters: 1, quorum: 1, healthy: true });
});

describe("findings", () => {
  const three = (status: Partial<MemberAnswer>): MemberHealth[] => [
    member("1"),
    member("2"),
    member("3", { status: answer(status) }),
  ];

  test.each([
    ["members-disagree", three({ hash: { hash: 8, compactRevision: 1 } })],
    ["versions-differ", three({ version: "3.4.23" })],
    ["member-behind", three({ raftAppliedIndex: 100, raftIndex: 50_000 })],
    ["database-near-quota", three({ dbSize: 1.9e9 })],
    ["database-fragmented", three({ dbSize: 1e9, dbSizeInUse: 1e8 })],
    ["leaders-differ", three({ leader: "3" })],
    ["member-without-leader", three({ leader: null })],
    ["clusters-differ", three({ clusterId: "d" })],
    ["member-never-started", [member("1"), member("2"), member("3", { name: "", status: null })]],
    ["member-unreachable", [member("1"), member("2"), member("3", { status: null })]],
    ["no-leader", [member("1", { status: answer({ leader: null }) })]],
  ])("%s", (code, members) => {
    expect(codes(members, [])).toContain(code);
  });

  test("hashes of members that compacted differently are not compared, which is reported", () => {
    const { findings, healthy } = judgeCluster(three({ hash: { hash: 8, compactRevision: 20 } }), []);
    expect(healthy).toBe(true);
    expect(findings).toMatchObject([{ level: "warning", code: "hashes-not-compared" }]);
    expect(findings[0]!.text).toContain("m1, m2 at 1; m3 at 20");
  });

  test("a quota that etcd tells, or that is given, is the one that counts", () => {
    expect(codes(three({ dbSize: 1.9e9, dbSizeInUse: 1.9e9, dbSizeQuota: 8e9 }), [])).toEqual([]);
    expect(codes(three({ dbSize: 1.9e9, dbSizeInUse: 1.9e9 }), [], 8e9)).toEqual([]);
    expect(codes(three({ dbSize: 900 }), [], 1000)).toContain("database-near-quota");
  });

  test("alarms name their member", () => {
    const { findings } = judgeCluster([member("1")], [{ memberId: "1", type: "NOSPACE" }]);
    expect(findings).toMatchObject([{ code: "alarm-nospace", where: 'member "m1" (1)', level: "error" }]);
  });
});
