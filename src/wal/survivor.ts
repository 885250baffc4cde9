/**
 * What remains of a cluster that lost its quorum: the log of each survivor, which of them is the most up to date by raft's own rule, and the log
 * with which that one goes on alone. The rule (section 5.4.1 of the raft paper): the higher term of the last entry wins, then the longer log.
 * Whatever was committed is in that log, if it is in any survivor's: a later term's leader had every committed entry before it wrote its own.
 */
import type { Log, LogEntry } from "./log.ts";
import { encodeMember, encodeMemberStore, type Member } from "./membership.ts";
import {
  CONF_CHANGE_ADD_LEARNER_NODE,
  CONF_CHANGE_ADD_NODE,
  CONF_CHANGE_REMOVE_NODE,
  CONF_CHANGE_UPDATE_NODE,
  type ConfChange,
  type ConfState,
  ENTRY_CONF_CHANGE,
  type Entry,
  encodeConfChange,
  type HardState,
  votersOnly,
} from "./raft.ts";
import type { RaftSnapshot } from "./raft-snapshot.ts";

/** Where a log ends: what raft compares. */
export interface LogPosition {
  readonly term: number;
  readonly index: number;
}

/** Positive where `a` is more up to date than `b`. */
export function compareLogs(a: LogPosition, b: LogPosition): number {
  return a.term === b.term ? a.index - b.index : a.term - b.term;
}

/** The last entry, or the raft snapshot where the log has none behind it. */
export function lastPosition(log: Log, snapshot: RaftSnapshot | undefined): LogPosition {
  const last = log.entries.at(-1);
  if (last !== undefined && (snapshot === undefined || last.index >= snapshot.index)) return last;
  return snapshot ?? { term: 0, index: 0 };
}

/**
 * The raft snapshot that etcd would start from: the newest one that the log knows of and that was committed. `snapshots` may hold others, such as one
 * that was received but not yet taken over.
 */
export function pickSnapshot(log: Log, snapshots: readonly RaftSnapshot[]): RaftSnapshot | undefined {
  const known = (snapshot: RaftSnapshot): boolean =>
    snapshot.index <= log.state.commit &&
    log.marks.some((mark) => mark.index === snapshot.index && mark.term === snapshot.term);
  return snapshots.filter(known).sort((a, b) => compareLogs(b, a))[0];
}

/** The database beside a log: the index of the last entry that it has taken in, and its members. */
export interface AppliedState {
  readonly consistentIndex: number;
  readonly term: number | undefined;
  readonly members: readonly Member[];
}

/** What the new member starts from: a raft snapshot, and the entries behind it. */
export interface LogBase {
  readonly snapshot: RaftSnapshot | undefined;
  readonly entries: readonly LogEntry[];
  /** True where the raft snapshot had to be made from the database: v2 keys are not in it. */
  readonly isMade: boolean;
}

/**
 * Finds where the log can be continued. The member's own raft snapshot serves while the log reaches from it to where the database is; where that is
 * broken, a snapshot is made of the database, which holds every entry up to its own index. Undefined where the database has no index.
 */
export function planBase(log: Log, own: RaftSnapshot | undefined, applied: AppliedState): LogBase | undefined {
  const start = own?.index ?? 0;
  const { consistentIndex } = applied;
  const behindOwn = entriesAfter(log, start);
  const end = behindOwn.at(-1)?.index ?? start;
  if (own !== undefined || behindOwn[0]?.index === 1) {
    if (consistentIndex >= start && consistentIndex <= end) return { snapshot: own, entries: behindOwn, isMade: false };
  }
  if (consistentIndex === 0) return undefined;
  const voters = applied.members.filter((member) => !member.isLearner).map((member) => member.id);
  const learners = applied.members.filter((member) => member.isLearner).map((member) => member.id);
  const snapshot: RaftSnapshot = {
    index: consistentIndex,
    term: log.entries.find((entry) => entry.index === consistentIndex)?.term ?? applied.term ?? log.state.term,
    confState: { ...votersOnly(voters), learners },
    data: encodeMemberStore(applied.members),
  };
  return { snapshot, entries: entriesAfter(log, consistentIndex), isMade: true };
}

/** The entries from `index + 1` on; none where that one is missing. */
function entriesAfter(log: Log, index: number): readonly LogEntry[] {
  const first = log.entries.findIndex((entry) => entry.index === index + 1);
  return first < 0 ? [] : log.entries.slice(first);
}

/** Who is in the cluster after a configuration change. */
export function applyConfChanges(base: ConfState, changes: readonly Pick<ConfChange, "type" | "nodeId">[]): ConfState {
  const voters = new Set([...base.voters, ...base.votersOutgoing]);
  const learners = new Set([...base.learners, ...base.learnersNext]);
  for (const { type, nodeId } of changes) {
    if (type === CONF_CHANGE_UPDATE_NODE) continue;
    voters.delete(nodeId);
    learners.delete(nodeId);
    if (type === CONF_CHANGE_ADD_NODE) voters.add(nodeId);
    else if (type === CONF_CHANGE_ADD_LEARNER_NODE) learners.add(nodeId);
  }
  return { ...votersOnly([...voters]), learners: [...learners] };
}

export interface SoleMemberLog {
  /** To be written behind what is kept. */
  readonly entries: readonly Entry[];
  readonly state: HardState;
}

/**
 * The entries that leave `self` alone in its cluster, as etcd's `--force-new-cluster` writes them, and its peer URLs changed to those of `self`. Everything
 * up to and with them counts as committed.
 */
export function becomeSoleMember(self: Member, cluster: ConfState, last: LogPosition, state: HardState): SoleMemberLog {
  const term = Math.max(state.term, last.term);
  const changes: ConfChange[] = [];
  const change = (type: number, nodeId: bigint, context?: Uint8Array): void => {
    changes.push({ id: 0n, type, nodeId, context });
  };
  // First itself, then the others go: raft has no cluster without a voter.
  if (cluster.learners.includes(self.id)) change(CONF_CHANGE_ADD_NODE, self.id, promotion(self));
  else if (!cluster.voters.includes(self.id)) change(CONF_CHANGE_ADD_NODE, self.id, encodeMember(self));
  const others = [...cluster.voters, ...cluster.learners].filter((id) => id !== self.id);
  for (const id of others.sort((a, b) => (a < b ? -1 : 1))) change(CONF_CHANGE_REMOVE_NODE, id);
  change(CONF_CHANGE_UPDATE_NODE, self.id, encodeMember(self));
  const entries = changes.map((item, i): Entry => {
    return { type: ENTRY_CONF_CHANGE, term, index: last.index + 1 + i, data: encodeConfChange(item) };
  });
  const commit = last.index + entries.length;
  return { entries, state: { term, vote: term === state.term ? state.vote : 0n, commit } };
}

/** etcd's context of a change that makes a learner a voter: the member, and the mark. */
function promotion(self: Member): Uint8Array {
  const json = Buffer.from(encodeMember({ ...self, isLearner: false })).toString();
  return Buffer.from(`${json.slice(0, -1)},"isPromote":true}`);
}
