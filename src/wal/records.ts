/** Walks the records of a WAL's segments in order, checking the CRC chain, and says where and why it ends. */
import { crc32c } from "@node-rs/crc32";
import type { ByteSource } from "../bolt/byte-source.ts";
import { MendError } from "../errors/errors.ts";
import {
  CRC_RECORD,
  decodeFrameSize,
  decodeRecord,
  FRAME_HEADER_SIZE,
  type FrameSize,
  type WalRecord,
} from "./record.ts";

/** A record and its place. The data is a view that the next record may overwrite. */
export interface PlacedRecord {
  readonly type: number;
  readonly data: Uint8Array;
  /** Index into the segments. */
  readonly segment: number;
  /** Byte in the segment at which the record's header starts. */
  readonly position: number;
}

/** How a WAL ends. */
export interface WalEnd {
  /**
   * `complete`: at the end of the last segment or the zeros that follow the last record. `torn`: the last record was not written whole, as a
   * crash leaves it; nothing that etcd acknowledged is lost. `damaged`: a record in the middle, or a whole one, is not what was written.
   */
  readonly kind: "complete" | "torn" | "damaged";
  readonly segment: number;
  readonly position: number;
  readonly text: string;
}

const SECTOR = 512;
/** etcd refuses requests beyond 1.5 MiB unless told otherwise; a record that claims so much more is damage. */
const MOST_RECORD_BYTES = 256 * 1024 * 1024;
const WINDOW = 1024 * 1024;
const NOTHING = new Uint8Array(0);

export function* readRecords(segments: readonly ByteSource[]): Generator<PlacedRecord, WalEnd> {
  let crc = 0;
  for (let segment = 0; segment < segments.length; segment++) {
    const source = segments[segment]!;
    const window = createWindow(source);
    const last = segment === segments.length - 1;
    const end = (kind: WalEnd["kind"], position: number, text: string): WalEnd => ({ kind, segment, position, text });
    let position = 0;
    for (;;) {
      const rest = source.size - position;
      if (rest === 0) break;
      if (rest < FRAME_HEADER_SIZE) {
        const text = `${rest} bytes are left, too few for a record`;
        return end(last ? "torn" : "damaged", position, text);
      }
      const size = decodeFrameSize(window(position, FRAME_HEADER_SIZE));
      if (size === undefined) break; // zeros that were allocated ahead
      const total = FRAME_HEADER_SIZE + size.record + size.padding;
      if (total > rest) {
        const text = `a record of ${size.record} bytes is longer than the segment's rest of ${rest} bytes`;
        return end(last ? "torn" : "damaged", position, text);
      }
      if (size.record > MOST_RECORD_BYTES) {
        return end("damaged", position, `a record claims ${size.record} bytes`);
      }
      const body = window(position + FRAME_HEADER_SIZE, size.record + size.padding);
      const read = check(body, size, crc);
      if (typeof read === "string") {
        const torn = last && hasZeroSector(body, position + FRAME_HEADER_SIZE);
        return end(torn ? "torn" : "damaged", position, torn ? "a record was not written whole" : read);
      }
      crc = read.crc;
      yield { type: read.type, data: read.data ?? NOTHING, segment, position };
      position += total;
    }
    if (last) {
      const stray = firstNonZero(source, position);
      if (stray === undefined) return end("complete", position, "the log ends here");
      return end("torn", position, `a record was not written whole: zeros here, other bytes at ${stray}`);
    }
  }
  return { kind: "complete", segment: 0, position: 0, text: "there is no segment" };
}

/** Reads records again, at places that {@link readRecords} gave. Those that follow each other share their reads; the data is a view. */
export function createRecordReader(segments: readonly ByteSource[]): (segment: number, position: number) => WalRecord {
  let current = -1;
  let window: ReturnType<typeof createWindow>;
  return (segment, position) => {
    const source = segments[segment]!;
    if (segment !== current) window = createWindow(source);
    current = segment;
    const size = decodeFrameSize(window(position, FRAME_HEADER_SIZE));
    if (size === undefined) throw new MendError("wal-damaged", `"${source.name}" has no record at byte ${position}`);
    return decodeRecord(window(position + FRAME_HEADER_SIZE, size.record));
  };
}

function check(body: Uint8Array, size: FrameSize, previousCrc: number): WalRecord | string {
  let record: WalRecord;
  try {
    record = decodeRecord(body.subarray(0, size.record));
  } catch (error) {
    if (error instanceof MendError && error.code === "wal-damaged") return error.message;
    throw error;
  }
  // The first record of a segment repeats the chain's value; a chain may also begin with it (older segments are removed by etcd).
  if (record.type === CRC_RECORD) {
    return previousCrc === 0 || record.crc === previousCrc ? record : mismatch("the chain", previousCrc, record.crc);
  }
  const crc = record.data === undefined ? previousCrc : crc32c(record.data, previousCrc);
  return crc === record.crc ? record : mismatch("a record", crc, record.crc);
}

function mismatch(what: string, computed: number, stored: number): string {
  const hex = (value: number): string => value.toString(16).padStart(8, "0");
  return `${what} has CRC ${hex(stored)}, its content says ${hex(computed)}`;
}

/** etcd's rule for a torn write: one of the disk sectors that the record covers holds nothing but zeros. */
function hasZeroSector(body: Uint8Array, position: number): boolean {
  for (let at = 0; at < body.length; ) {
    const size = Math.min(SECTOR - ((position + at) % SECTOR), body.length - at);
    if (body.subarray(at, at + size).every((byte) => byte === 0)) return true;
    at += size;
  }
  return false;
}

function firstNonZero(source: ByteSource, from: number): number | undefined {
  const chunk = new Uint8Array(WINDOW);
  for (let position = from; position < source.size; ) {
    const count = source.read(chunk, position);
    if (count === 0) return undefined;
    const found =
      Buffer.compare(chunk.subarray(0, count), ZEROS.subarray(0, count)) === 0
        ? -1
        : chunk.findIndex((byte) => byte !== 0);
    if (found >= 0 && found < count) return position + found;
    position += count;
  }
  return undefined;
}

const ZEROS = new Uint8Array(WINDOW);

/** Views of a source's bytes, read a window at a time. The caller has checked that the bytes exist. */
function createWindow(source: ByteSource): (position: number, size: number) => Uint8Array {
  let buffer = new Uint8Array(WINDOW);
  let start = 0;
  let filled = 0;
  return (position, size) => {
    if (position < start || position + size > start + filled) {
      if (size > buffer.length) buffer = new Uint8Array(size);
      start = position;
      filled = source.read(buffer, position);
      if (filled < size) throw new MendError("wal-damaged", `"${source.name}" became shorter while it was read`);
    }
    return buffer.subarray(position - start, position - start + size);
  };
}
