/** What a member's WAL says: who the member is, its raft state, and where each entry of its log lies. */
import type { ByteSource } from "../bolt/byte-source.ts";
import { MendError } from "../errors/errors.ts";
import {
  decodeEntry,
  decodeHardState,
  decodeMetadata,
  decodeSnapshotMark,
  type Entry,
  type HardState,
  type Metadata,
  type SnapshotMark,
} from "./raft.ts";
import { ENTRY_RECORD, METADATA_RECORD, SNAPSHOT_RECORD, STATE_RECORD } from "./record.ts";
import { createRecordReader, readRecords, type WalEnd } from "./records.ts";

/** An entry of the log without its data. */
export interface LogEntry {
  readonly type: number;
  readonly term: number;
  readonly index: number;
  readonly segment: number;
  readonly position: number;
}

export interface Log {
  readonly metadata: Metadata;
  /** The last one written; zero where a WAL was never used. */
  readonly state: HardState;
  /** In the order they were written. */
  readonly marks: readonly SnapshotMark[];
  /** Without gaps, ascending; entries that a later leader overwrote are gone. */
  readonly entries: readonly LogEntry[];
  readonly end: WalEnd;
}

/**
 * Reads all segments, oldest first. A WAL that is torn or damaged gives what comes before that place; {@link Log.end} says so. Throws
 * `wal-damaged` where not even the metadata can be read.
 */
export function readLog(segments: readonly ByteSource[]): Log {
  let metadata: Metadata | undefined;
  let state: HardState = { term: 0, vote: 0n, commit: 0 };
  const marks: SnapshotMark[] = [];
  let entries: LogEntry[] = [];
  let end: WalEnd | undefined;
  const records = readRecords(segments);
  while (end === undefined) {
    const step = records.next();
    if (step.done) {
      end = step.value;
      break;
    }
    const { type, data, segment, position } = step.value;
    const damaged = (text: string): WalEnd => ({ kind: "damaged", segment, position, text });
    try {
      if (type === ENTRY_RECORD) {
        const { type: kind, term, index } = decodeEntry(data);
        const next = place(entries, index, marks);
        if (next === undefined) {
          end = damaged(`entry ${index} follows entry ${entries.at(-1)?.index}: entries in between are missing`);
        } else {
          entries = next;
          entries.push({ type: kind, term, index, segment, position });
        }
      } else if (type === STATE_RECORD) {
        state = decodeHardState(data);
      } else if (type === SNAPSHOT_RECORD) {
        marks.push(decodeSnapshotMark(data));
      } else if (type === METADATA_RECORD) {
        const found = decodeMetadata(data);
        if (metadata !== undefined && (metadata.nodeId !== found.nodeId || metadata.clusterId !== found.clusterId)) {
          end = damaged("the segments are of different members");
        }
        metadata ??= found;
      }
    } catch (error) {
      if (!(error instanceof MendError && error.code === "wal-damaged")) throw error;
      end = damaged(error.message);
    }
  }
  if (metadata === undefined) {
    throw new MendError("wal-damaged", `no WAL segment says which member it is of: ${end.text}`, {
      where: `${segments[end.segment]?.name ?? "WAL"} · byte ${end.position}`,
    });
  }
  return { metadata, state, marks, entries, end };
}

/** The list that an entry of this index is appended to, or undefined where it leaves a gap. */
function place(entries: LogEntry[], index: number, marks: readonly SnapshotMark[]): LogEntry[] | undefined {
  const last = entries.at(-1);
  if (last === undefined || index === last.index + 1) return entries;
  if (index <= last.index) {
    // A new leader overwrites what was never committed.
    entries.length = Math.max(0, index - entries[0]!.index);
    return entries;
  }
  // A member that was far behind got a snapshot: its log goes on after that.
  return marks.some((mark) => mark.index === index - 1) ? [] : undefined;
}

/** Reads entries with their data, best in their order. The data is a view that the next entry may overwrite. */
export function createEntryReader(segments: readonly ByteSource[]): (entry: LogEntry) => Entry {
  const read = createRecordReader(segments);
  return ({ segment, position }) => decodeEntry(read(segment, position).data ?? new Uint8Array(0));
}
