/**
 * What a member's WAL says: who the member is, its raft state, and where each entry of its log lies. A WAL may be
 * damaged anywhere; what is sound behind a damaged place is read too, so a log comes in fragments, each of which is
 * without gaps.
 */

import type { ByteSource } from "../bolt/byte-source.ts";
import { crc32c } from "../checksum/crc32c.ts";
import { defined } from "../errors/defined.ts";
import { MendError } from "../errors/errors.ts";
import {
  decodeConfChange,
  decodeConfChangeV2,
  decodeEntry,
  decodeHardState,
  decodeMetadata,
  decodeSnapshotMark,
  ENTRY_CONF_CHANGE,
  ENTRY_CONF_CHANGE_V2,
  type Entry,
  type HardState,
  type Metadata,
  type SnapshotMark,
} from "./raft.ts";
import { CRC_RECORD, ENTRY_RECORD, METADATA_RECORD, SNAPSHOT_RECORD, STATE_RECORD } from "./record.ts";
import {
  type ChainStart,
  createRecordReader,
  findNextRecord,
  type PlacedRecord,
  readSegment,
  type WalEnd,
} from "./records.ts";
import { parseSegmentName } from "./segment-name.ts";

/** A change of the cluster's members, as an entry holds it. */
export interface MemberChange {
  /** One of the `CONF_CHANGE_*` numbers. */
  readonly type: number;
  readonly nodeId: bigint;
}

/** An entry of the log without its data. */
export interface LogEntry {
  readonly type: number;
  readonly term: number;
  readonly index: number;
  readonly segment: number;
  readonly position: number;
  /** Bytes of its record. */
  readonly size: number;
  /** CRC-32C of its data: two members' entries of one index and term have the same. */
  readonly digest: number;
  /** Of a configuration change. */
  readonly changes?: readonly MemberChange[];
}

/** Entries that follow each other in the member's log. */
export interface LogFragment {
  /** Ascending by one; entries that a later leader overwrote are gone. */
  readonly entries: readonly LogEntry[];
  /** Those up to this index were known to be committed when the fragment was written; 0 where nothing says so. */
  readonly commit: number;
}

/** A place at which the log cannot be read. */
export interface LogBreak {
  /**
   * `torn` and `damaged` as in {@link WalEnd}; `missing`: segments in between are not there; `empty`: a segment holds
   * nothing at all; `unreadable`: the medium or the permissions do not let it be read.
   */
  readonly kind: "torn" | "damaged" | "missing" | "empty" | "unreadable";
  /** Index into the segments. */
  readonly segment: number;
  readonly position: number;
  readonly text: string;
  /** The last entry before and the first one behind, where there are any. */
  readonly before: number | undefined;
  readonly behind: number | undefined;
}

export interface Log {
  /** Undefined where no segment says whose it is. */
  readonly metadata: Metadata | undefined;
  /** The last one written; zero where a WAL was never used. */
  readonly state: HardState;
  /** In the order they were written. */
  readonly marks: readonly SnapshotMark[];
  /** In the order they were written, none empty. */
  readonly fragments: readonly LogFragment[];
  /** In the order of their places. None in a sound WAL. */
  readonly breaks: readonly LogBreak[];
}

/** A segment's file that cannot be opened. */
interface UnreadableSegment {
  readonly name: string;
  readonly problem: string;
}

export type Segment = ByteSource | UnreadableSegment;

/** A WAL with more damaged places than this is not read on behind the next one in a segment. */
const MOST_BREAKS = 100;

/** Reads all segments, oldest first. Damage is among {@link Log.breaks}; nothing is thrown for it. */
export function readLog(segments: readonly Segment[]): Log {
  const log = createLogBuilder();
  let crc: number | undefined;
  let sequence: number | undefined;
  for (const [i, segment] of segments.entries()) {
    const own = parseSegmentName(segment.name.slice(segment.name.lastIndexOf("/") + 1))?.sequence;
    if (own !== undefined && sequence !== undefined && own !== sequence + 1) {
      const between =
        own === sequence + 2 ? `segment ${sequence + 1} is` : `segments ${sequence + 1} to ${own - 1} are`;
      log.breakAt("missing", i, 0, `${between} missing`);
      crc = undefined;
    }
    sequence = own;
    crc = readWhole(log, segment, i, i === segments.length - 1, i === 0 ? undefined : crc);
  }
  return log.finish();
}

/** Reads one segment and continues behind each damaged place. Returns the chain's CRC at its end, undefined where that is not known. */
function readWhole(
  log: LogBuilder,
  segment: Segment,
  index: number,
  isLast: boolean,
  crc: number | undefined,
): number | undefined {
  if ("problem" in segment) {
    log.breakAt("unreadable", index, 0, segment.problem);
    return undefined;
  }
  let start: ChainStart | undefined = { position: 0, crc };
  try {
    while (start !== undefined) {
      const end = readFrom(log, segment, index, isLast, start);
      if (end.kind === "complete" && end.position > 0) return end.crc;
      if (end.kind === "complete") {
        const text = segment.size === 0 ? "the segment is empty" : "the segment holds nothing but zeros";
        log.breakAt("empty", index, 0, text);
        return undefined;
      }
      start = end.isForeign ? undefined : behind(segment, start, end.position);
      if (start !== undefined && log.breakCount() >= MOST_BREAKS) {
        log.breakAt(
          "damaged",
          index,
          end.position,
          `${end.text}, after ${MOST_BREAKS} others: what is behind it is not read`,
        );
        return undefined;
      }
      log.breakAt(start === undefined ? end.kind : "damaged", index, end.position, end.text);
    }
  } catch (error) {
    if (!(error instanceof MendError && (error.code === "io" || error.code === "wal-damaged"))) throw error;
    log.breakAt("unreadable", index, 0, error.message);
  }
  return undefined;
}

/** Where reading continues behind a place that does not verify. */
function behind(segment: ByteSource, start: ChainStart, position: number): ChainStart | undefined {
  // A segment that begins with another CRC than the one before ended with may be sound itself: what is missing is in between.
  const isSound = position === 0 && start.crc !== undefined && !readsNothing(segment);
  return isSound ? { position: 0, crc: undefined } : findNextRecord(segment, position);
}

function readsNothing(segment: ByteSource): boolean {
  return readSegment(segment, 0, false, { position: 0, crc: undefined }).next().done === true;
}

function readFrom(
  log: LogBuilder,
  source: ByteSource,
  index: number,
  isLast: boolean,
  start: ChainStart,
): WalEnd & { readonly crc: number; readonly isForeign: boolean } {
  const records = readSegment(source, index, isLast, start);
  for (;;) {
    const step = records.next();
    if (step.done) return { ...step.value, isForeign: false };
    const { position } = step.value;
    try {
      log.add(step.value);
    } catch (error) {
      if (!(error instanceof MendError && (error.code === "wal-damaged" || error.code === "wrong-cluster")))
        throw error;
      const isForeign = error.code === "wrong-cluster";
      return { kind: "damaged", segment: index, position, text: error.message, crc: 0, isForeign };
    }
  }
}

interface LogBuilder {
  /** Throws `wal-damaged` where the record's content is not what its type says, `wrong-cluster` where the segment is of another member. */
  add(record: PlacedRecord): void;
  breakAt(kind: LogBreak["kind"], segment: number, position: number, text: string): void;
  breakCount(): number;
  finish(): Log;
}

interface OpenFragment {
  readonly entries: LogEntry[];
  commit: number;
}

function createLogBuilder(): LogBuilder {
  let metadata: Metadata | undefined;
  let state: HardState = { term: 0, vote: 0n, commit: 0 };
  const marks: SnapshotMark[] = [];
  const fragments: OpenFragment[] = [{ entries: [], commit: 0 }];
  const breaks: (LogBreak & { readonly fragment: number })[] = [];
  let current = defined(fragments[0]);
  /** The index of the last entry that was added. */
  let highest = 0;

  const startFragment = (): void => {
    current = { entries: [], commit: 0 };
    fragments.push(current);
  };
  /** Removes the entry of this index and all behind it. */
  const dropFrom = (index: number): void => {
    for (const { entries } of fragments) {
      const last = entries.at(-1);
      if (last !== undefined && last.index >= index) entries.length = Math.max(0, index - defined(entries[0]).index);
    }
  };
  const breakAt: LogBuilder["breakAt"] = (kind, segment, position, text) => {
    breaks.push({ kind, segment, position, text, before: undefined, behind: undefined, fragment: fragments.length });
    startFragment();
  };
  const addEntry = (entry: LogEntry): void => {
    const last = current.entries.at(-1);
    // A new leader overwrites what was never committed, in the fragments before too.
    if (entry.index <= highest) dropFrom(entry.index);
    highest = entry.index;
    if (last !== undefined && entry.index > last.index + 1) {
      const text = `entry ${entry.index} follows entry ${last.index}: entries in between are missing`;
      breakAt("damaged", entry.segment, entry.position, text);
    }
    current.entries.push(entry);
  };
  const addMark = (mark: SnapshotMark): void => {
    marks.push(mark);
    const [first, last] = [current.entries[0], current.entries.at(-1)];
    if (first === undefined || last === undefined || mark.index < first.index) return;
    if (current.entries[mark.index - first.index]?.term === mark.term) return; // its own snapshot
    // A member that was far behind, or on another leader's way, got a snapshot: its log starts over behind that.
    dropFrom(mark.index);
    startFragment();
  };
  const addMetadata = (found: Metadata): void => {
    if (metadata !== undefined && (metadata.nodeId !== found.nodeId || metadata.clusterId !== found.clusterId)) {
      throw new MendError("wrong-cluster", "the segment is of another member than those before, so it is not used");
    }
    metadata ??= found;
  };

  return {
    add(record) {
      const { type, data } = record;
      if (type === ENTRY_RECORD) addEntry(placeEntry(record));
      else if (type === METADATA_RECORD) addMetadata(decodeMetadata(data));
      else if (type === SNAPSHOT_RECORD) addMark(decodeSnapshotMark(data));
      else if (type === STATE_RECORD) {
        state = decodeHardState(data);
        current.commit = Math.max(current.commit, state.commit);
      } else if (type !== CRC_RECORD) throw new MendError("wal-damaged", `a record of unknown type ${type}`);
    },
    breakAt,
    breakCount: () => breaks.length,
    finish: () => ({
      metadata,
      state,
      marks,
      fragments: fragments.filter(({ entries }) => entries.length > 0),
      breaks: breaks.map(({ fragment, ...each }) => ({
        ...each,
        before: fragments
          .slice(0, fragment)
          .findLast(({ entries }) => entries.length > 0)
          ?.entries.at(-1)?.index,
        behind: fragments.slice(fragment).find(({ entries }) => entries.length > 0)?.entries[0]?.index,
      })),
    }),
  };
}

function placeEntry({ data, segment, position, size }: PlacedRecord): LogEntry {
  const { type, term, index, data: content } = decodeEntry(data);
  const digest = content === undefined ? 0 : crc32c(content);
  const entry = { type, term, index, segment, position, size, digest };
  if (content === undefined) return entry;
  if (type === ENTRY_CONF_CHANGE) return { ...entry, changes: [decodeConfChange(content)] };
  if (type === ENTRY_CONF_CHANGE_V2) return { ...entry, changes: decodeConfChangeV2(content) };
  return entry;
}

/** The last entry of a log, whatever is missing before it. */
export function lastEntry(log: Log): LogEntry | undefined {
  return log.fragments.at(-1)?.entries.at(-1);
}

/** Reads entries with their data, best in their order. The data is a view that the next entry may overwrite. */
export function createEntryReader(segments: readonly Segment[]): (entry: LogEntry) => Entry {
  const read = createRecordReader(segments);
  return ({ segment, position }) => decodeEntry(read(segment, position).data ?? new Uint8Array(0));
}
