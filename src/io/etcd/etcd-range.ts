/** Reading a live etcd's keys (`KV/Range` of `etcdserverpb/rpc.proto`): what is asked, and what comes back. */
import { MendError } from "../../errors/errors.ts";
import { decodeKeyValue, type KeyValue } from "../../mvcc/key-value.ts";
import { createWireCursor, encodeMessage } from "../../protobuf/message.ts";
import { decodeHeader, type ResponseHeader } from "./etcd-messages.ts";

export interface RangeRequest {
  readonly key: Uint8Array;
  /** The first key that no longer belongs to it; undefined for the one key. */
  readonly end?: Uint8Array | undefined;
  readonly limit: number;
  /** 0 for the newest. */
  readonly revision: number;
  /** Answered by the member alone, without asking its leader: may be behind, and works without a quorum. */
  readonly serializable: boolean;
  readonly keysOnly?: boolean;
  /** Only {@link RangeAnswer.count}. */
  readonly countOnly?: boolean;
  /** Only keys that were last written at these revisions; both included. */
  readonly minModRevision?: number;
  readonly maxModRevision?: number;
}

export interface RangeAnswer {
  readonly header: ResponseHeader;
  /** In the order of their keys; views. */
  readonly keyValues: readonly KeyValue[];
  /** Whether the limit cut it. */
  readonly more: boolean;
  /** How many keys there are in all, whatever the limit. */
  readonly count: number;
}

export function encodeRangeRequest(request: RangeRequest): Uint8Array {
  return encodeMessage((writer) => {
    writer.bytes(1, request.key);
    if (request.end !== undefined) writer.bytes(2, request.end);
    writer.varint(3, request.limit);
    if (request.revision > 0) writer.varint(4, request.revision);
    if (request.serializable) writer.varint(7, 1);
    if (request.keysOnly === true) writer.varint(8, 1);
    if (request.countOnly === true) writer.varint(9, 1);
    if (request.minModRevision !== undefined) writer.varint(10, request.minModRevision);
    if (request.maxModRevision !== undefined) writer.varint(11, request.maxModRevision);
  });
}

/** Throws `etcd-refused` for an answer that is no Range's. */
export function decodeRangeAnswer(message: Uint8Array): RangeAnswer {
  const fields = createWireCursor(message, "etcd's answer", "etcd-refused");
  let header: ResponseHeader | undefined;
  let more = false;
  let count = 0;
  const keyValues: KeyValue[] = [];
  while (fields.next()) {
    if (fields.field === 1) header = decodeHeader(fields.bytes());
    else if (fields.field === 3) more = fields.number() !== 0;
    else if (fields.field === 4) count = fields.number();
    else if (fields.field === 2) {
      const found = decodeKeyValue(fields.bytes());
      if (typeof found === "string")
        throw new MendError("etcd-refused", `etcd's answer holds a key-value where ${found}`);
      keyValues.push(found);
    }
  }
  if (header === undefined) throw new MendError("etcd-refused", "etcd's answer has no header");
  return { header, keyValues, more, count };
}
