/** What the members of an etcd cluster say, judged: quorum, disagreement, members that are not there, alarms, quotas. */
import type { Finding } from "../errors/errors.ts";
import type { FindingCode } from "../errors/finding-codes.ts";

/** One member as it was found. */
export interface MemberHealth {
  /** In hex. */
  readonly id: string;
  /** Empty where it was added and never started. */
  readonly name: string;
  readonly isLearner: boolean;
  /** Where it answered, or the first of its client URLs. */
  readonly endpoint: string | null;
  /** Null where it did not answer. */
  readonly status: MemberAnswer | null;
  /** Why it did not answer. */
  readonly error: string | null;
  /** Whether it takes connections and does not answer. */
  readonly hangs: boolean;
}

export interface MemberAnswer {
  readonly version: string;
  /** Bytes. */
  readonly dbSize: number;
  readonly dbSizeInUse: number;
  readonly dbSizeQuota: number | null;
  /** In hex; null where it knows none. */
  readonly leader: string | null;
  readonly clusterId: string;
  readonly raftTerm: number;
  readonly raftIndex: number;
  readonly raftAppliedIndex: number;
  readonly revision: number;
  readonly errors: readonly string[];
  readonly latencyMilliseconds: number;
  /** The hash of its keyspace at the common revision; null where it could not be asked. */
  readonly hash: { readonly hash: number; readonly compactRevision: number } | null;
}

export interface ClusterAlarm {
  readonly memberId: string;
  readonly type: string;
}

export interface QuorumHealth {
  readonly healthy: boolean;
  readonly voters: number;
  readonly answeringVoters: number;
  readonly quorum: number;
  /** How many more voters may be lost; negative where quorum is lost already. */
  readonly survivesLosses: number;
  readonly findings: readonly Finding[];
}

export interface ClusterHealth extends QuorumHealth {
  /** In hex. */
  readonly clusterId: string;
  readonly members: readonly MemberHealth[];
}

type AddFinding = (level: Finding["level"], code: FindingCode, where: string, text: string) => void;
type Answering = MemberHealth & { readonly status: MemberAnswer };

/** etcd's own default quota. */
const DEFAULT_QUOTA = 2 * 1024 ** 3;
const NEAR_QUOTA = 0.8;
/** Entries that a member may be behind while it is busy. */
const MOST_BEHIND = 5000;
const WORTH_DEFRAGMENTING = 100 * 1024 ** 2;

/** `quota`: what `--quota-backend-bytes` is, where it is known. */
export function judgeCluster(
  members: readonly MemberHealth[],
  alarms: readonly ClusterAlarm[],
  quota?: number,
): QuorumHealth {
  const findings: Finding[] = [];
  const add: AddFinding = (level, code, where, text) => findings.push({ level, code, where, text });
  const voters = members.filter((member) => !member.isLearner);
  const answering = answersOf(members);
  const answeringVoters = answering.filter((member) => !member.isLearner).length;
  const quorum = Math.floor(voters.length / 2) + 1;
  const survivesLosses = answeringVoters - quorum;

  for (const member of members) if (member.status === null) judgeMissing(member, add);
  if (survivesLosses < 0) {
    const text = `fewer than ${quorum} voters answer: nothing can be written; bring one back, or see kubemend etcd salvage`;
    add("error", "quorum-lost", "cluster", text);
  } else if (survivesLosses === 0 && voters.length > 1) {
    add("warning", "no-member-to-spare", "cluster", "losing one more voter loses the quorum");
  }
  judgeLeaders(answering, add);
  for (const alarm of alarms) judgeAlarm(alarm, members, add);
  judgeHashes(answering, add);
  judgeVersions(answering, add);
  const newest = Math.max(0, ...answering.map((member) => member.status.raftIndex));
  for (const member of answering) judgeMember(member, newest, quota, add);
  return {
    healthy: !findings.some((finding) => finding.level === "error"),
    voters: voters.length,
    answeringVoters,
    quorum,
    survivesLosses,
    findings,
  };
}

function placeOf({ id, name }: Pick<MemberHealth, "id" | "name">): string {
  return name === "" ? `member ${id}` : `member "${name}" (${id})`;
}

function answersOf(members: readonly MemberHealth[]): Answering[] {
  return members.filter((member): member is Answering => member.status !== null);
}

function judgeMissing(member: MemberHealth, add: AddFinding): void {
  if (member.name !== "") {
    add("error", "member-unreachable", placeOf(member), member.error ?? "it has no client URL");
    return;
  }
  const counts = member.isLearner ? "" : ": it counts for the quorum";
  const text = `was added and never started${counts}; start it, or remove it with kubemend etcd member remove`;
  add(member.isLearner ? "warning" : "error", "member-never-started", placeOf(member), text);
}

function judgeLeaders(members: readonly Answering[], add: AddFinding): void {
  const clusters = new Set(members.map((member) => member.status.clusterId));
  if (clusters.size > 1) {
    const text = `the endpoints are of ${clusters.size} clusters: ${[...clusters].join(", ")}`;
    add("error", "clusters-differ", "cluster", text);
  }
  const leaders = new Set(members.flatMap(({ status }) => (status.leader === null ? [] : [status.leader])));
  if (members.length > 0 && leaders.size === 0) add("error", "no-leader", "cluster", "no member knows a leader");
  if (leaders.size > 1) {
    const listed = members.map(
      ({ name, status }) => `"${name}" says ${status.leader ?? "none"} in term ${status.raftTerm}`,
    );
    add("error", "leaders-differ", "cluster", `the members follow different leaders: ${listed.join(", ")}`);
  }
  for (const member of members) {
    if (member.status.leader !== null || leaders.size === 0) continue;
    add(
      "error",
      "member-without-leader",
      placeOf(member),
      "it knows no leader, though others do: it is cut off from them",
    );
  }
}

const ALARMS: Readonly<Record<string, string>> = {
  NOSPACE:
    "its database reached its quota and the cluster refuses writes: compact, defragment, then etcdctl alarm disarm",
  CORRUPT: "its keyspace is not that of the others: replace this member",
};

const ALARM_CODES: Readonly<Record<string, FindingCode>> = { NOSPACE: "alarm-nospace", CORRUPT: "alarm-corrupt" };

function judgeAlarm({ memberId, type }: ClusterAlarm, members: readonly MemberHealth[], add: AddFinding): void {
  const member = members.find((candidate) => candidate.id === memberId);
  const text = ALARMS[type] ?? "it raised an alarm that is not known";
  add("error", ALARM_CODES[type] ?? "alarm-unknown", placeOf(member ?? { id: memberId, name: "" }), text);
}

/** Hashes can be compared where the members compacted alike. */
function judgeHashes(members: readonly Answering[], add: AddFinding): void {
  const groups = new Map<number, Map<number, string[]>>();
  for (const { id, name, status } of members) {
    if (status.hash === null) continue;
    const { hash, compactRevision } = status.hash;
    const group = groups.get(compactRevision) ?? new Map<number, string[]>();
    groups.set(compactRevision, group);
    group.set(hash, [...(group.get(hash) ?? []), name || id]);
  }
  if (groups.size > 1) {
    const listed = [...groups].map(([revision, group]) => `${[...group.values()].flat().join(", ")} at ${revision}`);
    const text =
      "whether the members hold the same keys was not compared: they compacted at different revisions " +
      `(${listed.join("; ")}); ask again when the compaction is over`;
    add("warning", "hashes-not-compared", "cluster", text);
  }
  for (const group of groups.values()) {
    if (group.size < 2) continue;
    const listed = [...group].map(([hash, names]) => `${names.join(", ")}: ${hash}`).join("; ");
    const text = `the members hold different keys at the same revision (hashes ${listed}): find the odd one and replace it`;
    add("error", "members-disagree", "cluster", text);
  }
}

function judgeVersions(members: readonly Answering[], add: AddFinding): void {
  const versions = [...new Set(members.map((member) => member.status.version))].sort();
  if (versions.length < 2) return;
  add("warning", "versions-differ", "cluster", `the members run ${versions.join(", ")}: finish the upgrade`);
}

function judgeMember(member: Answering, newest: number, quota: number | undefined, add: AddFinding): void {
  const { status } = member;
  const where = placeOf(member);
  if (newest - status.raftAppliedIndex > MOST_BEHIND) {
    const text = `it has applied entry ${status.raftAppliedIndex} of ${newest}: its disk or network is slow`;
    add("warning", "member-behind", where, text);
  }
  const limit = status.dbSizeQuota ?? quota ?? DEFAULT_QUOTA;
  if (status.dbSize >= NEAR_QUOTA * limit) {
    const percent = Math.round((100 * status.dbSize) / limit);
    const text = `its database is at ${percent}% of its quota of ${limit} bytes: compact and defragment`;
    add("warning", "database-near-quota", where, text);
  } else if (status.dbSize > WORTH_DEFRAGMENTING && status.dbSizeInUse < status.dbSize / 2) {
    const percent = Math.round(100 * (1 - status.dbSizeInUse / status.dbSize));
    add("info", "database-fragmented", where, `${percent}% of its database file is free: etcdctl defrag gives it back`);
  }
}
