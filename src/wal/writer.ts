/** Writes a WAL that etcd opens: segments that begin with the CRC chain's value, the metadata and the raft state, cut at etcd's size. */
import type { ByteSink } from "../bolt/page-output.ts";
import {
  type Entry,
  encodeEntry,
  encodeHardState,
  encodeMetadata,
  encodeSnapshotMark,
  type HardState,
  type Metadata,
  type SnapshotMark,
} from "./raft.ts";
import { CRC_RECORD, ENTRY_RECORD, encodeRecord, METADATA_RECORD, SNAPSHOT_RECORD, STATE_RECORD } from "./record.ts";
import { formatSegmentName } from "./segment-name.ts";

/** etcd begins a new segment once one has this many bytes, and allocates as many ahead. */
export const SEGMENT_SIZE = 64 * 1000 * 1000;

export interface WalWriter {
  mark(mark: SnapshotMark): void;
  entry(entry: Entry): void;
  state(state: HardState): void;
  /** Hands over what is buffered. */
  finish(): void;
}

/** `openSegment` gets a file name and returns where its bytes go; the segment before is complete by then. */
export function createWalWriter(
  metadata: Metadata,
  openSegment: (name: string) => ByteSink,
  segmentSize = SEGMENT_SIZE,
): WalWriter {
  const buffer = new Uint8Array(1024 * 1024);
  let buffered = 0;
  let crc = 0;
  let sequence = 0;
  let lastIndex = 0;
  let lastState: HardState | undefined;
  let sink: ByteSink;
  let position = 0;

  function flush(): void {
    if (buffered > 0) sink.write(buffer.subarray(0, buffered), position);
    position += buffered;
    buffered = 0;
  }
  function record(type: number, data: Uint8Array | undefined): void {
    const encoded = encodeRecord(type, data, crc);
    crc = encoded.crc;
    const { frame } = encoded;
    if (buffered + frame.length > buffer.length) flush();
    if (frame.length > buffer.length) {
      sink.write(frame, position);
      position += frame.length;
    } else {
      buffer.set(frame, buffered);
      buffered += frame.length;
    }
  }
  function open(firstIndex: number): void {
    sink = openSegment(formatSegmentName({ sequence, firstIndex }));
    position = 0;
    record(CRC_RECORD, undefined);
    record(METADATA_RECORD, encodeMetadata(metadata));
    if (lastState !== undefined) record(STATE_RECORD, encodeHardState(lastState));
  }

  open(0);
  return {
    mark(mark) {
      record(SNAPSHOT_RECORD, encodeSnapshotMark(mark));
    },
    entry(entry) {
      if (position + buffered >= segmentSize) {
        flush();
        sequence++;
        open(lastIndex + 1);
      }
      record(ENTRY_RECORD, encodeEntry(entry));
      lastIndex = entry.index;
    },
    state(state) {
      lastState = state;
      record(STATE_RECORD, encodeHardState(state));
    },
    finish: flush,
  };
}
