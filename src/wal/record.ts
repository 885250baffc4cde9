/**
 * etcd's write-ahead log, record by record. A record is a little-endian 64-bit length, whose top byte tells how many zero bytes pad it to a
 * multiple of 8 (0x80 | n, or nothing), then a `walpb.Record`: type, CRC, data. The CRC-32C runs over the data of all records since the log
 * began: each segment starts with a record that repeats its value. Source: etcd, `server/storage/wal/encoder.go`, `decoder.go`.
 */
import { crc32c } from "../checksum/crc32c.ts";
import { createWireCursor, encodeMessage } from "../protobuf/message.ts";

export const METADATA_RECORD = 1;
export const ENTRY_RECORD = 2;
export const STATE_RECORD = 3;
export const CRC_RECORD = 4;
export const SNAPSHOT_RECORD = 5;

/** Bytes before a record: its length and padding. */
export const FRAME_HEADER_SIZE = 8;

export interface WalRecord {
  /** One of the `*_RECORD` numbers. */
  readonly type: number;
  /** Of all data up to and with this record's. */
  readonly crc: number;
  readonly data: Uint8Array | undefined;
}

/** Length of the record and of the padding after it. */
export interface FrameSize {
  readonly record: number;
  readonly padding: number;
}

/** A record with its header and padding; `previousCrc` is that of the record before. Returns the new CRC too. */
export function encodeRecord(
  type: number,
  data: Uint8Array | undefined,
  previousCrc: number,
): { readonly frame: Uint8Array; readonly crc: number } {
  const crc = data === undefined ? previousCrc : crc32c(data, previousCrc);
  const head = encodeMessage((writer) => {
    writer.varint(1, type);
    writer.varint(2, crc);
    if (data !== undefined) writer.header(3, data.length);
  });
  const size = head.length + (data?.length ?? 0);
  const padding = (8 - (size % 8)) % 8;
  const frame = new Uint8Array(FRAME_HEADER_SIZE + size + padding);
  const view = new DataView(frame.buffer);
  view.setUint32(0, size, true);
  view.setUint32(4, padding === 0 ? 0 : (0x80 | padding) * 0x1000000, true);
  frame.set(head, FRAME_HEADER_SIZE);
  if (data !== undefined) frame.set(data, FRAME_HEADER_SIZE + head.length);
  return { frame, crc };
}

/** Undefined where there is no record: zeros that were allocated ahead. */
export function decodeFrameSize(header: Uint8Array): FrameSize | undefined {
  const view = new DataView(header.buffer, header.byteOffset, FRAME_HEADER_SIZE);
  const low = view.getUint32(0, true);
  const high = view.getUint32(4, true);
  if (low === 0 && high === 0) return undefined;
  return { record: (high & 0xffffff) * 0x1_0000_0000 + low, padding: high >= 0x80000000 ? (high >>> 24) & 0x7 : 0 };
}

/** The record's bytes without header and padding. Throws `wal-damaged`. */
export function decodeRecord(bytes: Uint8Array): WalRecord {
  const fields = createWireCursor(bytes, "a WAL record", "wal-damaged");
  let type = 0;
  let crc = 0;
  let data: Uint8Array | undefined;
  while (fields.next()) {
    if (fields.field === 1) type = fields.number();
    else if (fields.field === 2) crc = fields.number();
    else if (fields.field === 3) data = fields.bytes();
  }
  return { type, crc, data };
}
