/**
 * A cluster as raft's rules let it be: elections among members that reach each other, leaders that are cut off and go
 * on writing, logs that are overwritten, raft snapshots, databases that lag behind, members that join, are promoted and
 * leave. Everything is decided by a seed. It shares no code with `src/salvage`.
 */
import { encodeMessage } from "../../src/protobuf/message.ts";
import { encodeMember, type Member } from "../../src/wal/membership.ts";
import {
  CONF_CHANGE_ADD_LEARNER_NODE,
  CONF_CHANGE_ADD_NODE,
  CONF_CHANGE_REMOVE_NODE,
  ENTRY_CONF_CHANGE,
  ENTRY_NORMAL,
  encodeConfChange,
} from "../../src/wal/raft.ts";
import type { Random } from "../damage/mutate.ts";
import { createWalImage, type WalImage } from "./wal-image.ts";

export interface ModelEntry {
  readonly type: number;
  readonly term: number;
  readonly index: number;
  readonly data: Uint8Array | undefined;
  /** Of a put. */
  readonly key: string | undefined;
  readonly change: { readonly type: number; readonly id: bigint } | undefined;
}

export interface ModelMember {
  readonly id: bigint;
  readonly name: string;
  readonly peerUrl: string;
  readonly wal: WalImage;
  /** From entry 1 on, whatever of it is still on the disk. */
  readonly log: ModelEntry[];
  term: number;
  vote: bigint;
  commit: number;
  /** The term in which it leads; 0 while it does not. */
  leads: number;
  /** The leader's first entry of its term. */
  firstOfTerm: number;
  /** What followers have, as the leader knows it. */
  readonly match: Map<bigint, number>;
  /** The index up to which the log was compacted in memory: a follower that needs more gets a snapshot. */
  compacted: number;
  /** The last entry that its database on the disk has taken in, and those that it had before. */
  database: number;
  readonly olderDatabases: number[];
  /** A database that was received and not taken over. */
  received: number | undefined;
  /** Raft snapshots on the disk. */
  readonly snapshots: { readonly index: number; readonly term: number }[];
  isStopped: boolean;
  /** Members of different groups do not reach each other. */
  group: number;
}

export interface History {
  readonly clusterId: bigint;
  readonly members: readonly ModelMember[];
  /** What was committed, by index - 1. All that a client was told of is in here. */
  readonly committed: readonly ModelEntry[];
}

export interface Configuration {
  readonly voters: readonly bigint[];
  readonly learners: readonly bigint[];
  readonly removed: readonly bigint[];
}

/** Of all changes among the entries up to `index`. */
export function configurationAt(log: readonly ModelEntry[], index: number): Configuration {
  const voters = new Set<bigint>();
  const learners = new Set<bigint>();
  const removed = new Set<bigint>();
  for (const { change } of log.slice(0, index)) {
    if (change === undefined) continue;
    voters.delete(change.id);
    learners.delete(change.id);
    if (change.type === CONF_CHANGE_ADD_NODE) voters.add(change.id);
    else if (change.type === CONF_CHANGE_ADD_LEARNER_NODE) learners.add(change.id);
    else removed.add(change.id);
  }
  return { voters: [...voters], learners: [...learners], removed: [...removed] };
}

const peerUrlOf = (n: number): string => `http://127.0.0.1:${30_000 + n}`;

export function asMember(
  { id, name, peerUrl }: Pick<ModelMember, "id" | "name" | "peerUrl">,
  isLearner: boolean,
): Member {
  return { id, name, peerUrls: [peerUrl], clientUrls: [], isLearner };
}

/** etcd's `InternalRaftRequest` with a put. */
function putRequest(id: number, key: string, value: string): Uint8Array {
  return encodeMessage((writer) => {
    writer.message(4, (put) => {
      put.bytes(1, Buffer.from(key));
      put.bytes(2, Buffer.from(value));
    });
    writer.message(100, (header) => header.varint(1, id));
  });
}

export function makeHistory(random: Random): History {
  const clusterId = BigInt(random.next(2 ** 30) + 1) << 20n;
  const segmentSize = 1500 + random.next(12_000);
  const members: ModelMember[] = [];
  const committed: ModelEntry[] = [];
  let keys = 0;

  const newMember = (): ModelMember => {
    const n = members.length + 1;
    const id = (BigInt(random.next(2 ** 30) + 1) << 24n) + BigInt(n);
    const member: ModelMember = {
      id,
      name: `m${n}`,
      peerUrl: peerUrlOf(n),
      wal: createWalImage(id, clusterId, segmentSize),
      log: [],
      term: 0,
      vote: 0n,
      commit: 0,
      leads: 0,
      firstOfTerm: 0,
      match: new Map(),
      compacted: 0,
      database: 0,
      olderDatabases: [],
      received: undefined,
      snapshots: [],
      isStopped: false,
      group: 0,
    };
    members.push(member);
    return member;
  };
  const saveState = (member: ModelMember): void => member.wal.state(member.term, member.vote, member.commit);
  const append = (member: ModelMember, entry: ModelEntry): void => {
    member.log.length = entry.index - 1;
    member.log.push(entry);
    member.wal.entry(entry);
  };
  const changeEntry = (term: number, index: number, type: number, target: ModelMember): ModelEntry => {
    const base = Buffer.from(encodeMember(asMember(target, type === CONF_CHANGE_ADD_LEARNER_NODE))).toString();
    const isPromotion = type === CONF_CHANGE_ADD_NODE && index > initial;
    const context = Buffer.from(isPromotion ? `${base.slice(0, -1)},"isPromote":true}` : base);
    const data = encodeConfChange({
      id: BigInt(index),
      type,
      nodeId: target.id,
      context: type === CONF_CHANGE_REMOVE_NODE ? undefined : context,
    });
    return { type: ENTRY_CONF_CHANGE, term, index, data, key: undefined, change: { type, id: target.id } };
  };

  const initial = 1 + random.next(5);
  for (let i = 0; i < initial; i++) newMember();
  const bootstrap = members.map((member, i) => changeEntry(1, i + 1, CONF_CHANGE_ADD_NODE, member));
  committed.push(...bootstrap);
  for (const member of members) {
    for (const entry of bootstrap) append(member, entry);
    member.term = 1;
    member.commit = initial;
    saveState(member);
  }

  const pick = <T>(list: readonly T[]): T | undefined =>
    list.length === 0 ? undefined : list[random.next(list.length)];
  const running = (): ModelMember[] => members.filter((member) => !member.isStopped);
  const leaders = (): ModelMember[] => running().filter((member) => member.leads > 0);
  /** The newest in its log: with one change at a time, majorities of two configurations that follow each other overlap. */
  const configurationOf = (member: ModelMember): Configuration => configurationAt(member.log, member.log.length);
  const lastOf = (member: ModelMember): { term: number; index: number } => {
    return { term: member.log.at(-1)?.term ?? 0, index: member.log.length };
  };

  function elect(): void {
    const candidate = pick(running().filter((member) => configurationOf(member).voters.includes(member.id)));
    if (candidate === undefined) return;
    const { voters } = configurationOf(candidate);
    candidate.term += 1;
    candidate.vote = candidate.id;
    candidate.leads = 0;
    saveState(candidate);
    let votes = 1;
    for (const voter of running()) {
      if (voter === candidate || !voters.includes(voter.id) || voter.group !== candidate.group) continue;
      if (voter.term > candidate.term || random.next(8) === 0) continue;
      if (voter.term < candidate.term) {
        voter.term = candidate.term;
        voter.vote = 0n;
        voter.leads = 0;
      }
      const [own, theirs] = [lastOf(candidate), lastOf(voter)];
      const isUpToDate = own.term > theirs.term || (own.term === theirs.term && own.index >= theirs.index);
      if (isUpToDate && (voter.vote === 0n || voter.vote === candidate.id)) {
        voter.vote = candidate.id;
        votes += 1;
      }
      saveState(voter);
    }
    if (votes * 2 <= voters.length) return;
    candidate.leads = candidate.term;
    candidate.match.clear();
    const index = candidate.log.length + 1;
    candidate.firstOfTerm = index;
    append(candidate, {
      type: ENTRY_NORMAL,
      term: candidate.term,
      index,
      data: undefined,
      key: undefined,
      change: undefined,
    });
  }

  function put(): void {
    const leader = pick(leaders());
    if (leader === undefined) return;
    for (let i = random.next(6); i >= 0; i--) {
      const key = `/k/${String(++keys).padStart(5, "0")}`;
      const data = putRequest(keys, key, "v".repeat(random.next(10) === 0 ? 900 : random.next(120)));
      append(leader, {
        type: ENTRY_NORMAL,
        term: leader.leads,
        index: leader.log.length + 1,
        data,
        key,
        change: undefined,
      });
    }
  }

  function changeMembers(): void {
    const leader = pick(leaders());
    if (leader === undefined || leader.commit < leader.firstOfTerm) return;
    if (leader.log.slice(leader.commit).some((entry) => entry.change !== undefined)) return;
    const { voters, learners } = configurationOf(leader);
    const index = leader.log.length + 1;
    const kind = random.next(3);
    if (kind === 0 && members.length < 7) {
      append(leader, changeEntry(leader.leads, index, CONF_CHANGE_ADD_LEARNER_NODE, newMember()));
    } else if (kind === 1) {
      const learner = members.find((member) => learners.includes(member.id) && (leader.match.get(member.id) ?? 0) > 0);
      if (learner !== undefined) append(leader, changeEntry(leader.leads, index, CONF_CHANGE_ADD_NODE, learner));
    } else if (voters.length > 1) {
      const id = pick([...voters, ...learners]);
      const target = members.find((member) => member.id === id)!;
      append(leader, changeEntry(leader.leads, index, CONF_CHANGE_REMOVE_NODE, target));
    }
  }

  function replicate(leader: ModelMember, follower: ModelMember): void {
    if (follower === leader || follower.isStopped || follower.group !== leader.group || follower.term > leader.term)
      return;
    if (follower.term < leader.term) {
      follower.term = leader.term;
      follower.vote = 0n;
    }
    follower.leads = 0;
    let same = Math.min(leader.log.length, follower.log.length);
    while (same > 0 && leader.log[same - 1]!.term !== follower.log[same - 1]!.term) same--;
    if (same < leader.compacted) {
      receiveSnapshot(leader, follower);
    } else {
      const until = Math.min(leader.log.length, same + 1 + random.next(12));
      for (let index = same + 1; index <= until; index++) append(follower, leader.log[index - 1]!);
      leader.match.set(follower.id, until);
    }
    const commit = Math.min(leader.commit, leader.match.get(follower.id) ?? 0);
    if (commit > follower.commit) follower.commit = commit;
    if (random.next(4) > 0) saveState(follower);
    noticeRemoval(follower);
  }

  /** The leader's database as of its commit index, and everything before that is no longer in the follower's log. */
  function receiveSnapshot(leader: ModelMember, follower: ModelMember): void {
    const index = leader.commit;
    if (index <= follower.commit) return;
    const { term } = leader.log[index - 1]!;
    follower.wal.mark(index, term);
    follower.snapshots.push({ index, term });
    follower.log.splice(0, follower.log.length, ...leader.log.slice(0, index));
    follower.commit = index;
    follower.compacted = index;
    // A crash may come before it is taken over.
    if (random.next(4) === 0) follower.received = index;
    else persist(follower, index);
    leader.match.set(follower.id, index);
  }

  function persist(member: ModelMember, index: number): void {
    member.olderDatabases.push(member.database);
    member.database = index;
    if (member.received !== undefined && index >= member.received) member.received = undefined;
  }

  function advance(leader: ModelMember): void {
    const { voters } = configurationOf(leader);
    for (let index = leader.log.length; index > leader.commit; index--) {
      if (leader.log[index - 1]!.term !== leader.leads) return;
      const holders = voters.filter(
        (id) => (id === leader.id ? leader.log.length : (leader.match.get(id) ?? 0)) >= index,
      );
      if (holders.length * 2 <= voters.length) continue;
      for (let i = leader.commit; i < index; i++) {
        const entry = leader.log[i]!;
        const known = committed[i];
        if (known !== undefined && known !== entry) throw new Error(`the model commits two entries ${i + 1}`);
        committed[i] = entry;
      }
      leader.commit = index;
      if (random.next(4) > 0) saveState(leader);
      noticeRemoval(leader);
      return;
    }
  }

  /** A member that takes in its own removal stops, mostly. */
  function noticeRemoval(member: ModelMember): void {
    if (!configurationAt(member.log, member.commit).removed.includes(member.id)) return;
    member.isStopped = true;
    member.leads = 0;
    persistTo(member, member.commit);
    saveState(member);
  }

  function persistTo(member: ModelMember, index: number): void {
    if (index > member.database && member.received === undefined) persist(member, index);
  }

  function persistSome(): void {
    const member = pick(running());
    if (member === undefined || member.commit <= member.database) return;
    if (member.received !== undefined) persist(member, Math.max(member.received, member.commit));
    else persist(member, member.database + 1 + random.next(member.commit - member.database));
  }

  function takeSnapshot(): void {
    const member = pick(running());
    if (member === undefined || member.commit < initial + 2 || member.received !== undefined) return;
    const index = member.commit;
    if (member.snapshots.some((snapshot) => snapshot.index === index)) return;
    persistTo(member, index);
    const { term } = member.log[index - 1]!;
    member.snapshots.push({ index, term });
    member.wal.mark(index, term);
    saveState(member);
    member.compacted = Math.max(member.compacted, index - random.next(8));
    if (random.next(2) === 0) member.wal.purge(Math.max(0, index - random.next(20)));
  }

  function partition(): void {
    const isWhole = random.next(3) > 0;
    for (const member of members) member.group = isWhole ? 0 : random.next(2);
  }

  function restart(): void {
    const member = pick(running());
    if (member === undefined) return;
    member.leads = 0;
    member.match.clear();
  }

  for (let steps = 20 + random.next(200); steps > 0; steps--) {
    const dice = random.next(100);
    if (dice < 4 || leaders().length === 0) elect();
    else if (dice < 30) put();
    else if (dice < 75) {
      const leader = pick(leaders());
      const follower = pick(members);
      if (leader !== undefined && follower !== undefined) replicate(leader, follower);
      if (leader !== undefined) advance(leader);
    } else if (dice < 87) persistSome();
    else if (dice < 91) takeSnapshot();
    else if (dice < 94) changeMembers();
    else if (dice < 97) partition();
    else restart();
  }
  return { clusterId, members, committed };
}
