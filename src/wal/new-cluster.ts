/**
 * What the first member of a new cluster has on disk besides its keys: a log in which each member joined, a raft
 * snapshot behind that log, and the same members in the database. Source: etcd, `etcdutl/snapshot/v3_snapshot.go`.
 */
import type { BucketEdit, KeyAndValue } from "../bolt/edit.ts";
import { compareBytes } from "../bolt/page.ts";
import { encodeMember, encodeMemberStore, formatMemberId, type Membership } from "./membership.ts";
import {
  CONF_CHANGE_ADD_NODE,
  type ConfState,
  ENTRY_CONF_CHANGE,
  type Entry,
  encodeConfChange,
  type HardState,
  type SnapshotMark,
  votersOnly,
} from "./raft.ts";
import type { RaftSnapshot } from "./raft-snapshot.ts";

const FIRST_TERM = 1;

export interface NewClusterLog {
  readonly entries: readonly Entry[];
  readonly state: HardState;
  readonly mark: SnapshotMark;
  readonly snapshot: RaftSnapshot;
}

export function newClusterLog(membership: Membership): NewClusterLog {
  const { members } = membership;
  const entries = members.map((member, i): Entry => {
    const change = { id: 0n, type: CONF_CHANGE_ADD_NODE, nodeId: member.id, context: encodeMember(member) };
    return { type: ENTRY_CONF_CHANGE, term: FIRST_TERM, index: i + 1, data: encodeConfChange(change) };
  });
  const index = entries.length;
  const confState = votersOnly(members.map((member) => member.id));
  const place = { index, term: FIRST_TERM, confState };
  return {
    entries,
    state: { term: FIRST_TERM, vote: members[0]?.id ?? 0n, commit: index },
    mark: place,
    snapshot: { ...place, data: encodeMemberStore(members) },
  };
}

/**
 * How the small buckets of a database change when it becomes a new cluster's: the members are these, nobody was
 * removed, and the keys are as of the log's end. `meta` is what that bucket holds.
 */
export function newClusterBuckets(
  membership: Membership,
  meta: readonly KeyAndValue[],
  scheduledCompact?: Uint8Array,
): Map<string, BucketEdit> {
  const log = newClusterLog(membership);
  const fields = new Map(meta.map(([key, value]) => [Buffer.from(key).toString("latin1"), value]));
  fields.set("consistent_index", bigEndian(log.mark.index));
  fields.set("term", bigEndian(log.mark.term));
  if (fields.has("confState")) fields.set("confState", encodeConfStateJson(log.snapshot.confState));
  if (scheduledCompact !== undefined) fields.set("scheduledCompactRev", scheduledCompact);
  return new Map([
    [
      "members",
      { replace: sorted(membership.members.map((m) => [Buffer.from(formatMemberId(m.id)), encodeMember(m)])) },
    ],
    ["members_removed", { replace: [] }],
    ["meta", { replace: sorted([...fields].map(([key, value]) => [Buffer.from(key, "latin1"), value])) }],
  ]);
}

/** etcd's JSON of a configuration, as the `meta` bucket holds it since 3.5. */
function encodeConfStateJson(state: ConfState): Uint8Array {
  const lists = [
    ["voters", state.voters],
    ["learners", state.learners],
    ["voters_outgoing", state.votersOutgoing],
    ["learners_next", state.learnersNext],
  ] as const;
  const fields = lists.filter(([, ids]) => ids.length > 0).map(([name, ids]) => `"${name}":[${ids.join(",")}]`);
  return Buffer.from(`{${[...fields, `"auto_leave":${state.autoLeave}`].join(",")}}`);
}

function sorted(entries: readonly KeyAndValue[]): KeyAndValue[] {
  return [...entries].sort(([a], [b]) => compareBytes(a, b));
}

export function bigEndian(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes;
}
