/** Watching all keys (`Watch/Watch` of `etcdserverpb/rpc.proto`), and a lease's TTL (`Lease/LeaseTimeToLive`). */
import { createWireCursor, encodeMessage } from "../../protobuf/message.ts";
import { decodeHeader, type ResponseHeader } from "./etcd-messages.ts";

interface WatchEvent {
  readonly deletion: boolean;
  /** An encoded `mvccpb.KeyValue`: a view. */
  readonly keyValue: Uint8Array;
}

export interface WatchAnswer {
  readonly header: ResponseHeader;
  /** The watch has begun: what comes of revisions up to the header's had happened before. */
  readonly created: boolean;
  /** The watch is over. */
  readonly canceled: boolean;
  readonly cancelReason: string;
  /** The oldest revision that can be watched from, where the asked one is gone; else 0. */
  readonly compactRevision: number;
  /** More of the same revisions follows in the next answer. */
  readonly fragment: boolean;
  /** In the order of their revisions. */
  readonly events: readonly WatchEvent[];
}

const ALL = Uint8Array.of(0);

/** All keys from `revision` on, with a note every now and then of how far etcd has come, and large answers in parts. */
export function encodeWatchAll(revision: number): Uint8Array {
  return encodeMessage((request) => {
    request.message(1, (create) => {
      create.bytes(1, ALL);
      create.bytes(2, ALL);
      create.varint(3, revision);
      create.varint(4, 1);
      create.varint(8, 1);
    });
  });
}

const cursor = (message: Uint8Array) => createWireCursor(message, "etcd's answer", "etcd-refused");

export function decodeWatchAnswer(message: Uint8Array): WatchAnswer {
  const fields = cursor(message);
  let header: ResponseHeader = { clusterId: 0n, memberId: 0n, revision: 0, raftTerm: 0 };
  let [created, canceled, fragment, compactRevision, cancelReason] = [false, false, false, 0, ""];
  const events: WatchEvent[] = [];
  while (fields.next()) {
    const { field } = fields;
    if (field === 1) header = decodeHeader(fields.bytes());
    else if (field === 3) created = fields.number() !== 0;
    else if (field === 4) canceled = fields.number() !== 0;
    else if (field === 5) compactRevision = fields.number();
    else if (field === 6) cancelReason = Buffer.from(fields.bytes()).toString();
    else if (field === 7) fragment = fields.number() !== 0;
    else if (field === 11) events.push(decodeEvent(fields.bytes()));
  }
  return { header, created, canceled, cancelReason, compactRevision, fragment, events };
}

function decodeEvent(message: Uint8Array): WatchEvent {
  const fields = cursor(message);
  let deletion = false;
  let keyValue: Uint8Array = new Uint8Array(0);
  while (fields.next()) {
    if (fields.field === 1) deletion = fields.number() === 1;
    else if (fields.field === 2) keyValue = fields.bytes();
  }
  return { deletion, keyValue };
}

export function encodeTimeToLive(lease: bigint): Uint8Array {
  return encodeMessage((writer) => writer.varint(1, lease));
}

/** The TTL that a lease was granted, in seconds; undefined for one that has ended. */
export function decodeTimeToLive(message: Uint8Array): number | undefined {
  const fields = cursor(message);
  let ttl = 0n;
  let granted = 0;
  while (fields.next()) {
    if (fields.field === 3) ttl = BigInt.asIntN(64, fields.bigint());
    else if (fields.field === 4) granted = fields.number();
  }
  return ttl < 0n || granted === 0 ? undefined : granted;
}
