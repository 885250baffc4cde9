/** Walks the records of a WAL's segments in order, checking the CRC chain, and says where and why it ends. */

import type { ByteSource } from "../bolt/byte-source.ts";
import { crc32c } from "../checksum/crc32c.ts";
import { MendError } from "../errors/errors.ts";
import {
  CRC_RECORD,
  decodeFrameSize,
  decodeRecord,
  FRAME_HEADER_SIZE,
  type FrameSize,
  METADATA_RECORD,
  SNAPSHOT_RECORD,
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
  /** Bytes behind the header. */
  readonly size: number;
}

/** How a segment ends, or reading it. */
export interface WalEnd {
  /**
   * `complete`: at the end of the last segment or the zeros that follow the last record. `torn`: the last record was
   * not written whole, as a crash leaves it; nothing that etcd acknowledged is lost. `damaged`: a record in the middle,
   * or a whole one, is not what was written.
   */
  readonly kind: "complete" | "torn" | "damaged";
  readonly segment: number;
  readonly position: number;
  readonly text: string;
}

const SECTOR = 512;
/** etcd refuses requests beyond 1.5 MiB unless set otherwise; a record that claims so much more is damage. */
const MOST_RECORD_BYTES = 256 * 1024 * 1024;
const WINDOW = 1024 * 1024;
const NOTHING = new Uint8Array(0);

/** How the records of one segment end, and the chain's CRC there. */
export interface SegmentEnd extends WalEnd {
  readonly crc: number;
}

/** Where to read on, and the CRC that the records before it left; undefined where the segment's first record is to say so. */
export interface ChainStart {
  readonly position: number;
  readonly crc: number | undefined;
}

/**
 * Reads the records of one segment from `start` on. What does not verify ends it; {@link findNextRecord} tells whether
 * the segment continues behind that place.
 */
export function* readSegment(
  source: ByteSource,
  segment: number,
  isLast: boolean,
  start: ChainStart,
): Generator<PlacedRecord, SegmentEnd> {
  const window = createWindow(source);
  let { position, crc } = start;
  const end = (kind: WalEnd["kind"], text: string): SegmentEnd => ({ kind, segment, position, text, crc: crc ?? 0 });
  for (;;) {
    const rest = source.size - position;
    if (rest === 0) break;
    if (rest < FRAME_HEADER_SIZE)
      return end(isLast ? "torn" : "damaged", `${rest} bytes are left, too few for a record`);
    const size = decodeFrameSize(window(position, FRAME_HEADER_SIZE));
    if (size === undefined) break; // zeros that were allocated ahead
    const total = FRAME_HEADER_SIZE + size.record + size.padding;
    if (total > rest) {
      const text = `a record of ${size.record} bytes is longer than the segment's rest of ${rest} bytes`;
      return end(isLast ? "torn" : "damaged", text);
    }
    if (size.record > MOST_RECORD_BYTES) return end("damaged", `a record claims ${size.record} bytes`);
    const body = window(position + FRAME_HEADER_SIZE, size.record + size.padding);
    const read = check(body, size, crc);
    if (typeof read === "string") {
      const torn = isLast && hasZeroSector(body, position + FRAME_HEADER_SIZE);
      return end(torn ? "torn" : "damaged", torn ? "a record was not written whole" : read);
    }
    crc = read.crc;
    yield { type: read.type, data: read.data ?? NOTHING, segment, position, size: size.record + size.padding };
    position += total;
  }
  const stray = firstNonZero(source, position);
  if (stray === undefined) return end("complete", "the log ends here");
  const text = `zeros here, other bytes at ${stray}`;
  return end(isLast ? "torn" : "damaged", isLast ? `a record was not written whole: ${text}` : text);
}

/** How far a search goes: four times what etcd's segments have. */
const MOST_SEARCHED_BYTES = 256 * 1024 * 1024;
/** How many times as much it may read: bytes that look like records by chance are few, unless they are made to. */
const SEARCH_EFFORT = 8;
/** Bytes that are skipped together where all of them are zero: a multiple of 8, and less than a window. */
const ZERO_BLOCK = 4096;

/**
 * Looks behind a damaged place for the next record that can be verified, and returns where reading continues. That takes
 * two records in a row: the first only gives the CRC by which the second is verified. Records begin at multiples of 8.
 */
export function findNextRecord(source: ByteSource, from: number): ChainStart | undefined {
  const scan = createWindow(source);
  const bodies = createWindow(source);
  const end = Math.min(source.size, from + MOST_SEARCHED_BYTES);
  let effort = SEARCH_EFFORT * (end - from) + WINDOW;
  const frameAt = (position: number): FrameSize | undefined => {
    if (source.size - position < FRAME_HEADER_SIZE) return undefined;
    return plausibleFrame(scan(position, FRAME_HEADER_SIZE), source.size - position - FRAME_HEADER_SIZE);
  };
  const bodyAt = (position: number, size: FrameSize): Uint8Array => {
    effort -= size.record + WINDOW / 64;
    return bodies(position + FRAME_HEADER_SIZE, size.record + size.padding);
  };
  let zerosLookedFor = 0;
  for (let position = align(from); position + FRAME_HEADER_SIZE <= end && effort > 0; position += 8) {
    if (position >= zerosLookedFor) {
      // No record begins among zeros, which damage and allocation ahead leave by the megabyte.
      const size = Math.min(ZERO_BLOCK, end - position);
      zerosLookedFor = position + ZERO_BLOCK;
      if (size === ZERO_BLOCK && Buffer.compare(scan(position, size), ZEROS.subarray(0, size)) === 0) {
        position += ZERO_BLOCK - 8;
        continue;
      }
    }
    const seed = frameAt(position);
    if (seed === undefined) continue;
    const next = position + FRAME_HEADER_SIZE + seed.record + seed.padding;
    const second = frameAt(next);
    if (second === undefined) continue;
    const seedRecord = tryDecode(bodyAt(position, seed).subarray(0, seed.record));
    if (seedRecord === undefined || !isRecordType(seedRecord.type)) continue;
    const verified = check(bodyAt(next, second), second, seedRecord.crc);
    if (typeof verified === "string" || verified.data === undefined) continue; // a record without data verifies nothing
    return { position: next, crc: seedRecord.crc };
  }
  return undefined;
}

function align(position: number): number {
  return Math.ceil(position / 8) * 8;
}

function isRecordType(type: number): boolean {
  return type >= METADATA_RECORD && type <= SNAPSHOT_RECORD;
}

/** A header as etcd writes it, of a record that fits into `rest` bytes. */
function plausibleFrame(header: Uint8Array, rest: number): FrameSize | undefined {
  const size = decodeFrameSize(header);
  if (size === undefined || size.record < 4 || size.record > MOST_RECORD_BYTES) return undefined;
  const padding = (8 - (size.record % 8)) % 8;
  if (header[7] !== (padding === 0 ? 0 : 0x80 | padding)) return undefined;
  return size.record + padding <= rest ? size : undefined;
}

function tryDecode(bytes: Uint8Array): WalRecord | undefined {
  try {
    return decodeRecord(bytes);
  } catch (error) {
    if (error instanceof MendError && error.code === "wal-damaged") return undefined;
    throw error;
  }
}

/** Reads records again, at places that {@link readSegment} gave. Those that follow each other share their reads; the data is a view. */
export function createRecordReader(
  segments: readonly (ByteSource | { readonly name: string; readonly problem: string })[],
): (segment: number, position: number) => WalRecord {
  let current = -1;
  let window: ReturnType<typeof createWindow>;
  return (segment, position) => {
    const source = segments[segment];
    if (source === undefined || "problem" in source)
      throw new MendError("wal-damaged", `segment ${segment} is not readable`);
    if (segment !== current) window = createWindow(source);
    current = segment;
    const size = decodeFrameSize(window(position, FRAME_HEADER_SIZE));
    if (size === undefined) throw new MendError("wal-damaged", `"${source.name}" has no record at byte ${position}`);
    return decodeRecord(window(position + FRAME_HEADER_SIZE, size.record));
  };
}

function check(body: Uint8Array, size: FrameSize, previousCrc: number | undefined): WalRecord | string {
  let record: WalRecord;
  try {
    record = decodeRecord(body.subarray(0, size.record));
  } catch (error) {
    if (error instanceof MendError && error.code === "wal-damaged") return error.message;
    throw error;
  }
  // The first record of a segment repeats the chain's value; a chain may also begin with it (older segments are removed by etcd).
  if (record.type === CRC_RECORD) {
    if (previousCrc === undefined || record.crc === previousCrc) return record;
    return mismatch("the chain", previousCrc, record.crc);
  }
  if (previousCrc === undefined) return "the segment does not begin with its chain's CRC";
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
