/**
 * raft's own messages as etcd keeps them in its WAL and raft snapshots (`raft/raftpb/raft.proto`,
 * `etcdserverpb.Metadata`). Scalars are written even when they are zero, in the order of their numbers, so that what we
 * encode has the very bytes that etcd would write.
 */
import { defined } from "../errors/defined.ts";
import { createWireCursor, encodeMessage, type FieldWriter, type WireCursor } from "../protobuf/message.ts";

export const ENTRY_NORMAL = 0;
export const ENTRY_CONF_CHANGE = 1;
export const ENTRY_CONF_CHANGE_V2 = 2;

export interface Entry {
  /** {@link ENTRY_NORMAL}, {@link ENTRY_CONF_CHANGE} or {@link ENTRY_CONF_CHANGE_V2}. */
  readonly type: number;
  readonly term: number;
  readonly index: number;
  /** Undefined in the entry that a new leader commits first. */
  readonly data: Uint8Array | undefined;
}

export interface HardState {
  readonly term: number;
  /** The member that got this one's vote in `term`, 0 for none. */
  readonly vote: bigint;
  readonly commit: number;
}

export interface ConfState {
  readonly voters: readonly bigint[];
  readonly learners: readonly bigint[];
  readonly votersOutgoing: readonly bigint[];
  readonly learnersNext: readonly bigint[];
  readonly autoLeave: boolean;
}

export const CONF_CHANGE_ADD_NODE = 0;
export const CONF_CHANGE_REMOVE_NODE = 1;
export const CONF_CHANGE_UPDATE_NODE = 2;
export const CONF_CHANGE_ADD_LEARNER_NODE = 3;

export interface ConfChange {
  readonly id: bigint;
  /** One of the `CONF_CHANGE_*` numbers. */
  readonly type: number;
  readonly nodeId: bigint;
  /** etcd's JSON of the member, where there is one. */
  readonly context: Uint8Array | undefined;
}

/** What a WAL says of itself at the head of each segment. */
export interface Metadata {
  readonly nodeId: bigint;
  readonly clusterId: bigint;
}

/** A mark in the WAL: a raft snapshot of this index and term exists. */
export interface SnapshotMark {
  readonly index: number;
  readonly term: number;
  /** Since etcd 3.5. */
  readonly confState: ConfState | undefined;
}

const cursor = (bytes: Uint8Array, what: string): WireCursor => createWireCursor(bytes, what, "wal-damaged");

export function encodeEntry(entry: Entry): Uint8Array {
  return encodeMessage(
    (writer) => {
      writer.varint(1, entry.type);
      writer.varint(2, entry.term);
      writer.varint(3, entry.index);
      if (entry.data !== undefined) writer.bytes(4, entry.data);
    },
    64 + (entry.data?.length ?? 0),
  );
}

export function decodeEntry(bytes: Uint8Array): Entry {
  const fields = cursor(bytes, "a raft entry");
  let type = 0;
  let term = 0;
  let index = 0;
  let data: Uint8Array | undefined;
  while (fields.next()) {
    if (fields.field === 1) type = fields.number();
    else if (fields.field === 2) term = fields.number();
    else if (fields.field === 3) index = fields.number();
    else if (fields.field === 4) data = fields.bytes();
  }
  return { type, term, index, data };
}

export function encodeHardState(state: HardState): Uint8Array {
  return encodeMessage((writer) => {
    writer.varint(1, state.term);
    writer.varint(2, state.vote);
    writer.varint(3, state.commit);
  });
}

export function decodeHardState(bytes: Uint8Array): HardState {
  const fields = cursor(bytes, "a raft hard state");
  let term = 0;
  let vote = 0n;
  let commit = 0;
  while (fields.next()) {
    if (fields.field === 1) term = fields.number();
    else if (fields.field === 2) vote = fields.bigint();
    else if (fields.field === 3) commit = fields.number();
  }
  return { term, vote, commit };
}

export function writeConfState(writer: FieldWriter, state: ConfState): void {
  for (const id of state.voters) writer.varint(1, id);
  for (const id of state.learners) writer.varint(2, id);
  for (const id of state.votersOutgoing) writer.varint(3, id);
  for (const id of state.learnersNext) writer.varint(4, id);
  writer.varint(5, state.autoLeave ? 1 : 0);
}

export function decodeConfState(bytes: Uint8Array): ConfState {
  const lists: bigint[][] = [[], [], [], []];
  const fields = cursor(bytes, "a raft configuration");
  let autoLeave = false;
  while (fields.next()) {
    if (fields.field >= 1 && fields.field <= 4) defined(lists[fields.field - 1]).push(fields.bigint());
    else if (fields.field === 5) autoLeave = fields.number() !== 0;
  }
  const [voters, learners, votersOutgoing, learnersNext] = lists as [bigint[], bigint[], bigint[], bigint[]];
  return { voters, learners, votersOutgoing, learnersNext, autoLeave };
}

/** A configuration of voters only, neither learners nor a joint one. */
export function votersOnly(voters: readonly bigint[]): ConfState {
  return { voters, learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };
}

export function encodeConfChange(change: ConfChange): Uint8Array {
  return encodeMessage((writer) => {
    writer.varint(1, change.id);
    writer.varint(2, change.type);
    writer.varint(3, change.nodeId);
    if (change.context !== undefined) writer.bytes(4, change.context);
  });
}

export function decodeConfChange(bytes: Uint8Array): ConfChange {
  const fields = cursor(bytes, "a raft configuration change");
  let id = 0n;
  let type = 0;
  let nodeId = 0n;
  let context: Uint8Array | undefined;
  while (fields.next()) {
    if (fields.field === 1) id = fields.bigint();
    else if (fields.field === 2) type = fields.number();
    else if (fields.field === 3) nodeId = fields.bigint();
    else if (fields.field === 4) context = fields.bytes();
  }
  return { id, type, nodeId, context };
}

/** The single changes of a version 2 configuration change: type and member id. */
export function decodeConfChangeV2(bytes: Uint8Array): readonly { readonly type: number; readonly nodeId: bigint }[] {
  const changes: { type: number; nodeId: bigint }[] = [];
  const fields = cursor(bytes, "a raft configuration change");
  while (fields.next()) {
    if (fields.field !== 2) continue;
    const single = { type: 0, nodeId: 0n };
    const inner = cursor(fields.bytes(), "a raft configuration change");
    while (inner.next()) {
      if (inner.field === 1) single.type = inner.number();
      else if (inner.field === 2) single.nodeId = inner.bigint();
    }
    changes.push(single);
  }
  return changes;
}

export function encodeMetadata(metadata: Metadata): Uint8Array {
  return encodeMessage((writer) => {
    writer.varint(1, metadata.nodeId);
    writer.varint(2, metadata.clusterId);
  });
}

export function decodeMetadata(bytes: Uint8Array): Metadata {
  const fields = cursor(bytes, "a WAL's metadata");
  let nodeId = 0n;
  let clusterId = 0n;
  while (fields.next()) {
    if (fields.field === 1) nodeId = fields.bigint();
    else if (fields.field === 2) clusterId = fields.bigint();
  }
  return { nodeId, clusterId };
}

export function encodeSnapshotMark(mark: SnapshotMark): Uint8Array {
  const { confState } = mark;
  return encodeMessage((writer) => {
    writer.varint(1, mark.index);
    writer.varint(2, mark.term);
    if (confState !== undefined) writer.message(3, (inner) => writeConfState(inner, confState));
  });
}

export function decodeSnapshotMark(bytes: Uint8Array): SnapshotMark {
  const fields = cursor(bytes, "a WAL's snapshot record");
  let index = 0;
  let term = 0;
  let confState: ConfState | undefined;
  while (fields.next()) {
    if (fields.field === 1) index = fields.number();
    else if (fields.field === 2) term = fields.number();
    else if (fields.field === 3) confState = decodeConfState(fields.bytes());
  }
  return { index, term, confState };
}
