/**
 * A member's WAL as bytes, with the place of every record: damage is done by places, and what is still whole is known
 * without reading it.
 */
import { type Entry, encodeEntry, encodeHardState, encodeMetadata, encodeSnapshotMark } from "../../src/wal/raft.ts";
import {
  CRC_RECORD,
  ENTRY_RECORD,
  encodeRecord,
  METADATA_RECORD,
  SNAPSHOT_RECORD,
  STATE_RECORD,
} from "../../src/wal/record.ts";
import { formatSegmentName } from "../../src/wal/segment-name.ts";

export interface ImageRecord {
  readonly start: number;
  readonly end: number;
  readonly type: number;
  /** Of an entry. */
  readonly entry: Entry | undefined;
}

export interface ImageSegment {
  readonly name: string;
  readonly records: ImageRecord[];
  readonly frames: Uint8Array[];
  size: number;
}

export interface WalImage {
  readonly segments: ImageSegment[];
  entry(entry: Entry): void;
  state(term: number, vote: bigint, commit: number): void;
  mark(index: number, term: number): void;
  /** Drops segments that are not needed behind a raft snapshot, as etcd's purge does; at least one stays. */
  purge(index: number): void;
}

export function createWalImage(nodeId: bigint, clusterId: bigint, segmentSize: number): WalImage {
  const segments: ImageSegment[] = [];
  const firstIndexes: number[] = [];
  let crc = 0;
  let sequence = 0;
  let lastIndex = 0;
  let lastState: Uint8Array | undefined;

  const record = (type: number, data: Uint8Array | undefined, entry?: Entry): void => {
    const segment = segments.at(-1)!;
    const encoded = encodeRecord(type, data, crc);
    crc = encoded.crc;
    segment.frames.push(encoded.frame);
    segment.records.push({ start: segment.size, end: segment.size + encoded.frame.length, type, entry });
    segment.size += encoded.frame.length;
  };
  const open = (firstIndex: number): void => {
    segments.push({ name: formatSegmentName({ sequence, firstIndex }), records: [], frames: [], size: 0 });
    firstIndexes.push(firstIndex);
    sequence++;
    record(CRC_RECORD, undefined);
    record(METADATA_RECORD, encodeMetadata({ nodeId, clusterId }));
    if (lastState !== undefined) record(STATE_RECORD, lastState);
  };
  const cut = (): void => {
    if (segments.at(-1)!.size >= segmentSize) open(lastIndex + 1);
  };
  open(0);
  record(SNAPSHOT_RECORD, encodeSnapshotMark({ index: 0, term: 0, confState: undefined }));
  return {
    segments,
    entry(entry) {
      cut();
      record(ENTRY_RECORD, encodeEntry(entry), entry);
      lastIndex = entry.index;
    },
    state(term, vote, commit) {
      lastState = encodeHardState({ term, vote, commit });
      record(STATE_RECORD, lastState);
    },
    mark(index, term) {
      record(SNAPSHOT_RECORD, encodeSnapshotMark({ index, term, confState: undefined }));
      lastIndex = Math.max(lastIndex, index);
    },
    purge(index) {
      while (segments.length > 1 && firstIndexes[1]! <= index) {
        segments.shift();
        firstIndexes.shift();
      }
    },
  };
}

export function segmentBytes(segment: ImageSegment): Uint8Array {
  return Buffer.concat(segment.frames);
}
