import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startEtcd } from "../../test/etcd-server.ts";
import { findProgram, PROGRAMS_MISSING, type Suite } from "../../test/programs.ts";
import { type ByteSource, memorySource } from "../bolt/byte-source.ts";
import { createEntryReader, type Log, readLog } from "./log.ts";
import {
  decodeEntry,
  decodeHardState,
  decodeMetadata,
  decodeSnapshotMark,
  ENTRY_CONF_CHANGE,
  ENTRY_NORMAL,
  type Entry,
  encodeEntry,
  encodeHardState,
  encodeMetadata,
  encodeSnapshotMark,
  votersOnly,
} from "./raft.ts";
import { decodeRaftSnapshot, encodeRaftSnapshot } from "./raft-snapshot.ts";
import { CRC_RECORD, ENTRY_RECORD, encodeRecord, METADATA_RECORD, SNAPSHOT_RECORD, STATE_RECORD } from "./record.ts";
import { readRecords } from "./records.ts";
import { parseSegmentName, parseSnapshotName } from "./segment-name.ts";
import { createWalWriter } from "./writer.ts";

const METADATA = { nodeId: 0x8e9e05c52164694dn, clusterId: 0xcdf818194e3a8c32n };

interface Segment {
  readonly name: string;
  bytes: Uint8Array;
}

function write(entries: readonly Entry[], commit: number, segmentSize?: number): Segment[] {
  const segments: Segment[] = [];
  const writer = createWalWriter(
    METADATA,
    (name) => {
      const segment: Segment = { name, bytes: new Uint8Array(0) };
      segments.push(segment);
      return {
        write(bytes, position) {
          const grown = new Uint8Array(position + bytes.length);
          grown.set(segment.bytes);
          grown.set(bytes, position);
          segment.bytes = grown;
        },
      };
    },
    segmentSize,
  );
  writer.mark({ index: 0, term: 0, confState: undefined });
  writer.state({ term: 2, vote: METADATA.nodeId, commit });
  for (const entry of entries) writer.entry(entry);
  writer.finish();
  return segments;
}

const sources = (segments: readonly Segment[]): ByteSource[] =>
  segments.map((segment) => memorySource(segment.bytes, segment.name));

const numbered = (count: number, size: (i: number) => number): Entry[] =>
  Array.from({ length: count }, (_, i) => ({
    type: ENTRY_NORMAL,
    term: 2,
    index: i + 1,
    data: size(i) < 0 ? undefined : new Uint8Array(size(i)).fill(i),
  }));

describe("what is written is read", () => {
  test("entries of any size, cut into segments", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -1, max: 3000 }), { maxLength: 40 }), (sizes) => {
        const entries = numbered(sizes.length, (i) => sizes[i]!);
        const segments = write(entries, sizes.length, 8000);
        const log = readLog(sources(segments));
        expect(log.end.kind).toBe("complete");
        expect(log.metadata).toEqual(METADATA);
        expect(log.state).toEqual({ term: 2, vote: METADATA.nodeId, commit: sizes.length });
        expect(log.marks).toEqual([{ index: 0, term: 0, confState: undefined }]);
        expect(log.entries.map((entry) => createEntryReader(sources(segments))(entry))).toEqual(entries);
        segments.forEach((segment, sequence) => {
          expect(parseSegmentName(segment.name)?.sequence).toBe(sequence);
        });
      }),
      { numRuns: 50 },
    );
  });

  test("entries that a new leader overwrote are gone", () => {
    const entries = [
      ...numbered(6, () => 8),
      { type: ENTRY_NORMAL, term: 3, index: 4, data: undefined },
      { type: ENTRY_NORMAL, term: 3, index: 5, data: undefined },
    ];
    const { entries: kept } = readLog(sources(write(entries, 3)));
    expect(kept.map(({ index, term }) => [index, term])).toEqual([
      [1, 2],
      [2, 2],
      [3, 2],
      [4, 3],
      [5, 3],
    ]);
  });

  test("a gap is damage", () => {
    const log = readLog(sources(write([...numbered(3, () => 8), { ...numbered(6, () => 8)[5]! }], 3)));
    expect(log.end).toMatchObject({ kind: "damaged", text: "entry 6 follows entry 3: entries in between are missing" });
    expect(log.entries).toHaveLength(3);
  });
});

describe("damage at the end", () => {
  const entries = numbered(10, () => 2000);

  test("a log cut at any byte of its last record is torn, and the entries before it are kept", () => {
    const [segment] = write(entries, 10);
    const whole = segment!.bytes;
    const last = readLog([memorySource(whole)]).entries.at(-1)!;
    for (let size = last.position + 1; size < whole.length; size += 13) {
      const log = readLog([memorySource(whole.subarray(0, size))]);
      expect(log.entries).toHaveLength(9);
      expect(log.end).toMatchObject({ kind: "torn", position: last.position });
    }
    expect(readLog([memorySource(whole.subarray(0, last.position))]).end.kind).toBe("complete");
  });

  test("a last record with a sector of zeros is torn, with another byte changed it is damaged", () => {
    const [segment] = write(entries, 10);
    const { position } = readLog([memorySource(segment!.bytes)]).entries.at(-1)!;
    const zeroed = segment!.bytes.slice();
    const sector = Math.ceil((position + 100) / 512) * 512;
    zeroed.fill(0, sector, sector + 512);
    expect(readLog([memorySource(zeroed)]).end).toMatchObject({ kind: "torn", position });
    const flipped = segment!.bytes.slice();
    flipped[position + 100]! ^= 1;
    expect(readLog([memorySource(flipped)]).end).toMatchObject({ kind: "damaged", position });
  });

  test("zeros after the last record are no damage; other bytes after the zeros are a torn write", () => {
    const [segment] = write(entries, 10);
    const padded = new Uint8Array(segment!.bytes.length + 3_000_000);
    padded.set(segment!.bytes);
    expect(readLog([memorySource(padded)]).end.kind).toBe("complete");
    padded[padded.length - 5] = 7;
    const log = readLog([memorySource(padded)]);
    expect(log.end).toMatchObject({ kind: "torn", position: segment!.bytes.length });
    expect(log.entries).toHaveLength(10);
  });

  test("a flipped bit anywhere never goes unnoticed, never throws but for the first records, and never hangs", () => {
    const [segment] = write(entries, 10);
    fc.assert(
      fc.property(fc.nat(segment!.bytes.length - 1), fc.nat(7), (at, bit) => {
        const bytes = segment!.bytes.slice();
        bytes[at]! ^= 1 << bit;
        let log: Log;
        try {
          log = readLog([memorySource(bytes)]);
        } catch (error) {
          expect(error).toMatchObject({ code: "wal-damaged" });
          return;
        }
        // A flip in the padding of a record, or in a field's number that nobody knows, may change nothing.
        if (log.entries.length < 10) expect(log.end.kind).not.toBe("complete");
        log.entries.forEach((entry, i) => {
          expect(createEntryReader([memorySource(bytes)])(entry)).toEqual(entries[i]);
        });
      }),
      { numRuns: 500 },
    );
  });

  test("a record that claims more than any record has is damage, and nothing is allocated for it", () => {
    const header = new Uint8Array(8);
    new DataView(header.buffer).setBigUint64(0, 0x0000_0010_0000_0000n, true);
    const [segment] = write(entries, 10);
    const source: ByteSource = {
      name: "huge",
      size: 2 ** 40,
      read(target, position) {
        target.fill(0);
        const whole = new Uint8Array(segment!.bytes.length + 8);
        whole.set(segment!.bytes);
        whole.set(header, segment!.bytes.length);
        target.set(whole.subarray(position, position + target.length));
        return target.length;
      },
    };
    expect(readLog([source])).toMatchObject({ end: { kind: "damaged", position: segment!.bytes.length } });
  });

  test("a damaged segment in the middle is not torn", () => {
    const segments = write(entries, 10, 4000);
    expect(segments.length).toBeGreaterThan(2);
    segments[1]!.bytes = segments[1]!.bytes.subarray(0, segments[1]!.bytes.length - 4);
    expect(readLog(sources(segments)).end).toMatchObject({ kind: "damaged", segment: 1 });
  });
});

/** One segment's records, each decoded to what it means and encoded again. */
function rewritten(segments: readonly ByteSource[], wanted: number): Buffer {
  const frames: Uint8Array[] = [];
  let crc = 0;
  const again: Readonly<Record<number, (data: Uint8Array) => Uint8Array | undefined>> = {
    [METADATA_RECORD]: (data) => encodeMetadata(decodeMetadata(data)),
    [ENTRY_RECORD]: (data) => encodeEntry(decodeEntry(data)),
    [STATE_RECORD]: (data) => encodeHardState(decodeHardState(data)),
    [CRC_RECORD]: () => undefined,
    [SNAPSHOT_RECORD]: (data) => encodeSnapshotMark(decodeSnapshotMark(data)),
  };
  for (const { type, data, segment } of readRecords(segments)) {
    const encoded = encodeRecord(type, again[type]!(data), crc);
    crc = encoded.crc;
    if (segment === wanted) frames.push(encoded.frame);
  }
  return Buffer.concat(frames);
}

const suites = (["bookworm", "trixie", "sid"] as const).filter((suite) => findProgram(suite, "etcd"));

describe.skipIf(suites.length === 0)(`WALs of real servers (${suites.length ? suites : PROGRAMS_MISSING})`, () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "wal-"));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  test.each(suites)("%s: every entry is read, and written again it has the same bytes", async (suite: Suite) => {
    const dataDir = join(directory, suite);
    const etcd = await startEtcd({ suite, dataDir, flags: ["--snapshot-count", "10"] });
    for (let i = 0; i < 25; i++) await etcd.etcdctl("put", `key-${i}`, "value ".repeat(i * 20));
    await etcd.stop("SIGKILL");

    const folder = join(dataDir, "member/wal");
    const names = readdirSync(folder).filter((name) => parseSegmentName(name) !== undefined);
    const segments = names.sort().map((name) => {
      const bytes = readFileSync(join(folder, name));
      return { ...memorySource(bytes, name), bytes };
    });
    const log = readLog(segments);
    expect(log.end.kind).toBe("complete");
    expect(log.state.commit).toBeGreaterThanOrEqual(25);
    expect(log.entries.at(-1)!.index).toBeGreaterThanOrEqual(log.state.commit);
    expect(log.entries[0]).toMatchObject({ type: ENTRY_CONF_CHANGE, index: 1, term: 1 });
    segments.forEach((segment, i) => {
      const bytes = rewritten(segments, i);
      expect(bytes.equals(segment.bytes.subarray(0, bytes.length))).toBe(true);
    });
    const values = log.entries.map((entry) =>
      Buffer.from(createEntryReader(segments)(entry).data ?? []).toString("latin1"),
    );
    for (let i = 0; i < 25; i++) {
      expect(values.some((data) => data.includes(`key-${i}`) && data.includes("value ".repeat(i * 20)))).toBe(true);
    }

    const snapshots = readdirSync(join(dataDir, "member/snap")).filter((name) => parseSnapshotName(name));
    expect(snapshots.length).toBeGreaterThan(0);
    for (const name of snapshots) {
      const snapshot = decodeRaftSnapshot(readFileSync(join(dataDir, "member/snap", name)), name);
      expect(snapshot).toMatchObject(parseSnapshotName(name)!);
      expect(snapshot.confState).toEqual(votersOnly([log.metadata.nodeId]));
      expect(Buffer.compare(encodeRaftSnapshot(snapshot), readFileSync(join(dataDir, "member/snap", name)))).toBe(0);
      expect(JSON.parse(Buffer.from(snapshot.data).toString())).toHaveProperty("Root");
      expect(log.marks.some((mark) => mark.index === snapshot.index && mark.term === snapshot.term)).toBe(true);
    }
  });
});
