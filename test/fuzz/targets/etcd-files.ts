/** Readers of etcd's files: bbolt, MVCC, the write-ahead log, raft's snapshots and messages. */
import { readBolt } from "../../../src/bolt/bolt.ts";
import { memorySource } from "../../../src/bolt/byte-source.ts";
import { checkBolt } from "../../../src/bolt/check.ts";
import { decodeKeyValue } from "../../../src/mvcc/key-value.ts";
import { decodeRevision } from "../../../src/mvcc/revision.ts";
import { createEntryReader, readLog } from "../../../src/wal/log.ts";
import {
  decodeConfChange,
  decodeConfChangeV2,
  decodeConfState,
  decodeEntry,
  decodeHardState,
  decodeMetadata,
  decodeSnapshotMark,
  ENTRY_CONF_CHANGE,
  ENTRY_NORMAL,
  encodeEntry,
  encodeHardState,
  encodeMetadata,
  encodeSnapshotMark,
  votersOnly,
} from "../../../src/wal/raft.ts";
import { decodeRaftSnapshot, encodeRaftSnapshot } from "../../../src/wal/raft-snapshot.ts";
import {
  CRC_RECORD,
  decodeFrameSize,
  decodeRecord,
  ENTRY_RECORD,
  encodeRecord,
  METADATA_RECORD,
  SNAPSHOT_RECORD,
  STATE_RECORD,
} from "../../../src/wal/record.ts";
import { parseSegmentName, parseSnapshotName } from "../../../src/wal/segment-name.ts";
import { sampleSnapshot } from "../../damage/sample-snapshot.ts";
import { sampleValues } from "../sample-values.ts";
import { bytesOf, type FuzzTarget, textOf } from "../target.ts";

const METADATA = { nodeId: 0x8e9e05c52164694dn, clusterId: 0xcdf818194e3a8c32n };
const CONF_CHANGE = Uint8Array.from([8, 1, 16, 0, 24, 205, 210, 133, 171, 197, 184, 193, 207, 142, 1, 34, 2, 123, 125]);
const ENTRIES = [
  { type: ENTRY_CONF_CHANGE, term: 1, index: 1, data: CONF_CHANGE },
  { type: ENTRY_NORMAL, term: 2, index: 2, data: bytesOf("put") },
  { type: ENTRY_NORMAL, term: 2, index: 3, data: new Uint8Array(0) },
];

const RECORDS: readonly (readonly [type: number, data: Uint8Array | undefined])[] = [
  [CRC_RECORD, undefined],
  [METADATA_RECORD, encodeMetadata(METADATA)],
  [SNAPSHOT_RECORD, encodeSnapshotMark({ index: 0, term: 0, confState: undefined })],
  ...ENTRIES.map((entry) => [ENTRY_RECORD, encodeEntry(entry)] as const),
  [STATE_RECORD, encodeHardState({ term: 2, vote: METADATA.nodeId, commit: 3 })],
];

function segment(records: typeof RECORDS): Uint8Array {
  let crc = 0;
  const frames: Uint8Array[] = [];
  for (const [type, data] of records) {
    const encoded = encodeRecord(type, data, crc);
    frames.push(encoded.frame);
    crc = encoded.crc;
  }
  return new Uint8Array(Buffer.concat([...frames, new Uint8Array(64)]));
}

function readWholeLog(bytes: Uint8Array): void {
  const source = memorySource(bytes, "0000000000000000-0000000000000000.wal");
  const log = readLog([source]);
  const read = createEntryReader([source]);
  for (const { entries } of log.fragments) for (const entry of entries) read(entry);
}

const RAFT_MESSAGES: Readonly<Record<string, (bytes: Uint8Array) => unknown>> = {
  entry: decodeEntry,
  "hard state": decodeHardState,
  "conf state": decodeConfState,
  "conf change": decodeConfChange,
  "conf change v2": decodeConfChangeV2,
  metadata: decodeMetadata,
  "snapshot mark": decodeSnapshotMark,
};

export const ETCD_FILE_TARGETS: readonly FuzzTarget[] = [
  {
    name: "bbolt database",
    kind: "bytes",
    share: 40,
    corpus: () => [sampleSnapshot(40), sampleSnapshot(200)],
    run: (bytes) => checkBolt(readBolt(memorySource(bytes)), () => {}),
  },
  {
    name: "MVCC key-value",
    kind: "bytes",
    corpus: () => sampleValues().map(({ leaf }) => leaf),
    run: (bytes) => {
      decodeRevision(bytes.subarray(0, 18));
      return decodeKeyValue(bytes);
    },
  },
  {
    name: "write-ahead log",
    kind: "bytes",
    corpus: () => [segment(RECORDS), segment(RECORDS.slice(0, 4))],
    run: readWholeLog,
  },
  {
    // The damage is in a record whose checksum is right.
    name: "write-ahead log, checksums right",
    kind: "bytes",
    corpus: () => RECORDS.flatMap(([, data]) => data ?? []),
    run: (bytes) => {
      const type = (bytes[0] ?? 0) % 8;
      const at = (bytes[1] ?? 0) % (RECORDS.length + 1);
      readWholeLog(segment([...RECORDS.slice(0, at), [type, bytes], ...RECORDS.slice(at)]));
    },
  },
  {
    name: "raft messages",
    kind: "bytes",
    corpus: () => [...RECORDS.flatMap(([, data]) => data ?? []), CONF_CHANGE],
    run: (bytes) => {
      for (const decode of Object.values(RAFT_MESSAGES)) ignoringDamage(() => decode(bytes));
      ignoringDamage(() => decodeRecord(bytes));
      decodeFrameSize(bytes.subarray(0, 8).length === 8 ? bytes.subarray(0, 8) : new Uint8Array(8));
    },
  },
  {
    name: "raft snapshot",
    kind: "bytes",
    corpus: () => [raftSnapshot(bytesOf("{}"))],
    run: (bytes) => decodeRaftSnapshot(bytes, "0000000000000002-0000000000000003.snap"),
  },
  {
    name: "names of segments and snapshots",
    kind: "text",
    corpus: () => ["0000000000000000-0000000000000000.wal", "0000000000000002-000000000000000a.snap"].map(bytesOf),
    run: (bytes) => [parseSegmentName(textOf(bytes)), parseSnapshotName(textOf(bytes))],
  },
];

function raftSnapshot(data: Uint8Array): Uint8Array {
  return encodeRaftSnapshot({ data, index: 3, term: 2, confState: votersOnly([METADATA.nodeId]) });
}

/** So that the next decoder gets the bytes too. */
function ignoringDamage(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof Error) || error.name !== "MendError" || (error as { code?: string }).code === "internal")
      throw error;
  }
}
