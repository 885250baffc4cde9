/**
 * The payload of a delta: every change between two revisions, when it was seen, and the leases that keys were attached
 * to. A protobuf message:
 *
 *     message Delta { repeated Change change = 1; repeated Mark mark = 2; repeated Lease lease = 3; }
 *     message Change { int64 revision = 1; int64 sub = 2; bool deletion = 3; bytes key_value = 4; }   //
 * mvccpb.KeyValue; of a deletion the key alone
 *     message Mark { int64 revision = 1; int64 unix_milliseconds = 2; bool late = 3; }               // revisions up to
 * this one had been seen by then
 *     message Lease { int64 id = 1; int64 ttl_seconds = 2; }                                         // no TTL: it had
 * ended before it could be asked for
 */
import { createWireCursor, encodeMessage } from "../protobuf/message.ts";

export interface Change {
  readonly revision: number;
  /** Its place among the changes of its revision, from 0. */
  readonly sub: number;
  readonly deletion: boolean;
  /** As etcd stores it: an encoded `mvccpb.KeyValue`, which for a deletion holds the key alone. */
  readonly keyValue: Uint8Array;
}

export interface TimeMark {
  readonly revision: number;
  /** Milliseconds since the epoch, by the clock of the writer. */
  readonly time: number;
  /** Whether the changes up to it may have happened long before: they were read after a time without a watch. */
  readonly late: boolean;
}

export interface LeaseGrant {
  readonly id: bigint;
  /** Seconds; undefined where the lease had ended before it could be asked for. */
  readonly ttl: number | undefined;
}

export interface Delta {
  readonly changes: readonly Change[];
  readonly marks: readonly TimeMark[];
  readonly leases: readonly LeaseGrant[];
}

export function encodeDelta({ changes, marks, leases }: Delta): Uint8Array {
  const expected = changes.reduce((sum, change) => sum + change.keyValue.length + 32, 1024);
  return encodeMessage((writer) => {
    for (const { revision, sub, deletion, keyValue } of changes) {
      writer.message(1, (change) => {
        change.varint(1, revision);
        if (sub > 0) change.varint(2, sub);
        if (deletion) change.varint(3, 1);
        change.bytes(4, keyValue);
      });
    }
    for (const { revision, time, late } of marks) {
      writer.message(2, (mark) => {
        mark.varint(1, revision);
        mark.varint(2, time);
        if (late) mark.varint(3, 1);
      });
    }
    for (const { id, ttl } of leases) {
      writer.message(3, (lease) => {
        lease.varint(1, id);
        if (ttl !== undefined) lease.varint(2, ttl);
      });
    }
  }, expected);
}

const NOTHING: Uint8Array = new Uint8Array(0);

/** Called with each change in order, in memory that the next one uses again. */
export type ChangeVisitor = (change: Change) => void;

/**
 * Visits the changes of an encoded delta, and returns the rest: an hour of changes that are kept is a heap of small
 * objects. Key-values are views. Throws `repository-damaged`; `where` names the delta.
 */
export function walkDelta(bytes: Uint8Array, where: string, visit: ChangeVisitor): Omit<Delta, "changes"> {
  const fields = createWireCursor(bytes, `the content of "${where}"`, "repository-damaged");
  const inner = fields.inner();
  const change = { revision: 0, sub: 0, deletion: false, keyValue: NOTHING };
  const marks: TimeMark[] = [];
  const leases: LeaseGrant[] = [];
  while (fields.next()) {
    if (fields.wireType !== 2) continue;
    fields.enter(inner);
    if (fields.field === 1) {
      change.revision = 0;
      change.sub = 0;
      change.deletion = false;
      change.keyValue = NOTHING;
      while (inner.next()) {
        if (inner.field === 1) change.revision = inner.number();
        else if (inner.field === 2) change.sub = inner.number();
        else if (inner.field === 3) change.deletion = inner.number() !== 0;
        else if (inner.field === 4) change.keyValue = inner.bytes();
      }
      visit(change);
    } else if (fields.field === 2) {
      let [revision, time, late] = [0, 0, false];
      while (inner.next()) {
        if (inner.field === 1) revision = inner.number();
        else if (inner.field === 2) time = inner.number();
        else if (inner.field === 3) late = inner.number() !== 0;
      }
      marks.push({ revision, time, late });
    } else if (fields.field === 3) {
      let id = 0n;
      let ttl: number | undefined;
      while (inner.next()) {
        if (inner.field === 1) id = BigInt.asIntN(64, inner.bigint());
        else if (inner.field === 2) ttl = inner.number();
      }
      leases.push({ id, ttl });
    }
  }
  return { marks, leases };
}
