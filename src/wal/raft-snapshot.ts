/**
 * A raft snapshot file (`member/snap/*.snap`): a CRC-32C and a `raftpb.Snapshot`, whose data is etcd's v2 store as JSON. Source: etcd,
 * `server/etcdserver/api/snap/snapshotter.go`, `snappb/snap.proto`.
 */
import { crc32c } from "../checksum/crc32c.ts";
import { MendError } from "../errors/errors.ts";
import { createWireCursor, encodeMessage } from "../protobuf/message.ts";
import { type ConfState, decodeConfState, votersOnly, writeConfState } from "./raft.ts";

export interface RaftSnapshot {
  /** The v2 store: members, cluster version, and v2 keys where a cluster has them. */
  readonly data: Uint8Array;
  readonly index: number;
  readonly term: number;
  readonly confState: ConfState;
}

export function encodeRaftSnapshot(snapshot: RaftSnapshot): Uint8Array {
  const body = encodeMessage((writer) => {
    writer.bytes(1, snapshot.data);
    writer.message(2, (metadata) => {
      metadata.message(1, (inner) => writeConfState(inner, snapshot.confState));
      metadata.varint(2, snapshot.index);
      metadata.varint(3, snapshot.term);
    });
  });
  return encodeMessage((writer) => {
    writer.varint(1, crc32c(body));
    writer.bytes(2, body);
  });
}

/** Throws `wal-damaged`; `name` is the file's. */
export function decodeRaftSnapshot(file: Uint8Array, name: string): RaftSnapshot {
  const what = `raft snapshot "${name}"`;
  const outer = createWireCursor(file, what, "wal-damaged");
  let crc = 0;
  let body: Uint8Array = new Uint8Array(0);
  while (outer.next()) {
    if (outer.field === 1) crc = outer.number();
    else if (outer.field === 2) body = outer.bytes();
  }
  if (body.length === 0) throw new MendError("wal-damaged", `${what} is empty`);
  if (crc32c(body) !== crc) throw new MendError("wal-damaged", `${what} does not match its CRC`);
  let data: Uint8Array = new Uint8Array(0);
  let index = 0;
  let term = 0;
  let confState = votersOnly([]);
  const fields = createWireCursor(body, what, "wal-damaged");
  while (fields.next()) {
    if (fields.field === 1) {
      data = fields.bytes();
    } else if (fields.field === 2) {
      const metadata = createWireCursor(fields.bytes(), what, "wal-damaged");
      while (metadata.next()) {
        if (metadata.field === 1) confState = decodeConfState(metadata.bytes());
        else if (metadata.field === 2) index = metadata.number();
        else if (metadata.field === 3) term = metadata.number();
      }
    }
  }
  return { data, index, term, confState };
}
