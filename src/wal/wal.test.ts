import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startEtcd } from "../../test/etcd-server.ts";
import { findProgram, PROGRAMS_MISSING, type Suite } from "../../test/programs.ts";
import { fc } from "../../test/properties.ts";
import { type ByteSource, memorySource } from "../bolt/byte-source.ts";
import { createEntryReader, type Log, type LogEntry, readLog } from "./log.ts";
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
import { readSegment } from "./records.ts";
import { parseSegmentName, parseSnapshotName } from "./segment-name.ts";
import { createWalWriter } from "./writer.ts";

const METADATA = { nodeId: 0x8e9e05c52164694dn, clusterId: 0xcdf818194e3a8c32n };

interface Segment {
  readonly name: string;
  bytes: Uint8Array;
}

function write(entries: readonly Entry[], commit: number, segmentSize?: number, metadata = METADATA): Segment[] {
  const segments: Segment[] = [];
  const writer = createWalWriter(
    metadata,
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

const entriesOf = (log: Log): readonly LogEntry[] => log.fragments.flatMap((fragment) => fragment.entries);

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
        expect(log.breaks).toEqual([]);
        expect(log.metadata).toEqual(METADATA);
        expect(log.state).toEqual({ term: 2, vote: METADATA.nodeId, commit: sizes.length });
        expect(log.marks).toEqual([{ index: 0, term: 0, confState: undefined }]);
        expect(entriesOf(log).map((entry) => createEntryReader(sources(segments))(entry))).toEqual(entries);
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
    const kept = entriesOf(readLog(sources(write(entries, 3))));
    expect(kept.map(({ index, term }) => [index, term])).toEqual([
      [1, 2],
      [2, 2],
      [3, 2],
      [4, 3],
      [5, 3],
    ]);
  });

  test("a gap is damage, and what is behind it is read", () => {
    const log = readLog(sources(write([...numbered(3, () => 8), { ...numbered(6, () => 8)[5]! }], 3)));
    expect(log.breaks).toMatchObject([
      { kind: "damaged", before: 3, behind: 6, text: "entry 6 follows entry 3: entries in between are missing" },
    ]);
    expect(log.fragments.map(({ entries }) => entries.map(({ index }) => index))).toEqual([[1, 2, 3], [6]]);
  });

  test("a snapshot that was received is no damage", () => {
    const [segment] = write(
      numbered(3, () => 8),
      3,
    );
    let crc = 0;
    const records = readSegment(memorySource(segment!.bytes), 0, true, { position: 0, crc: undefined });
    for (let step = records.next(); ; step = records.next()) {
      if (step.done) {
        crc = step.value.crc;
        break;
      }
    }
    const mark = encodeRecord(SNAPSHOT_RECORD, encodeSnapshotMark({ index: 20, term: 2, confState: undefined }), crc);
    const entry = encodeRecord(ENTRY_RECORD, encodeEntry({ ...numbered(1, () => 8)[0]!, index: 21 }), mark.crc);
    const log = readLog([memorySource(Buffer.concat([segment!.bytes, mark.frame, entry.frame]))]);
    expect(log.breaks).toEqual([]);
    expect(log.fragments.map(({ entries }) => entries.map(({ index }) => index))).toEqual([[1, 2, 3], [21]]);
  });
});

describe("damage at the end", () => {
  const entries = numbered(10, () => 2000);

  test("a log cut at any byte of its last record is torn, and the entries before it are kept", () => {
    const [segment] = write(entries, 10);
    const whole = segment!.bytes;
    const last = entriesOf(readLog([memorySource(whole)])).at(-1)!;
    for (let size = last.position + 1; size < whole.length; size += 13) {
      const log = readLog([memorySource(whole.subarray(0, size))]);
      expect(entriesOf(log)).toHaveLength(9);
      expect(log.breaks).toMatchObject([{ kind: "torn", position: last.position, before: 9, behind: undefined }]);
    }
    expect(readLog([memorySource(whole.subarray(0, last.position))]).breaks).toEqual([]);
  });

  test("a last record with a sector of zeros is torn, with another byte changed it is damaged", () => {
    const [segment] = write(entries, 10);
    const { position } = entriesOf(readLog([memorySource(segment!.bytes)])).at(-1)!;
    const zeroed = segment!.bytes.slice();
    const sector = Math.ceil((position + 100) / 512) * 512;
    zeroed.fill(0, sector, sector + 512);
    expect(readLog([memorySource(zeroed)]).breaks).toMatchObject([{ kind: "torn", position }]);
    const flipped = segment!.bytes.slice();
    flipped[position + 100]! ^= 1;
    expect(readLog([memorySource(flipped)]).breaks).toMatchObject([{ kind: "damaged", position }]);
  });

  test("zeros after the last record are no damage; other bytes after the zeros are a torn write", () => {
    const [segment] = write(entries, 10);
    const padded = new Uint8Array(segment!.bytes.length + 3_000_000);
    padded.set(segment!.bytes);
    expect(readLog([memorySource(padded)]).breaks).toEqual([]);
    padded[padded.length - 5] = 7;
    const log = readLog([memorySource(padded)]);
    expect(log.breaks).toMatchObject([{ kind: "torn", position: segment!.bytes.length }]);
    expect(entriesOf(log)).toHaveLength(10);
  });

  test("a flipped bit anywhere never goes unnoticed, costs two entries at most, never throws, and never hangs", () => {
    const [segment] = write(entries, 10);
    fc.assert(
      fc.property(fc.nat(segment!.bytes.length - 1), fc.nat(7), (at, bit) => {
        const bytes = segment!.bytes.slice();
        bytes[at]! ^= 1 << bit;
        const log = readLog([memorySource(bytes)]);
        // A flip in the padding of a record, or in a field's number that nobody knows, may change nothing.
        const found = entriesOf(log);
        if (found.length < 10) expect(log.breaks).not.toEqual([]);
        expect(found.length).toBeGreaterThanOrEqual(8);
        for (const entry of found) {
          expect(createEntryReader([memorySource(bytes)])(entry)).toEqual(entries[entry.index - 1]);
        }
      }),
      { numRuns: 500 },
    );
  });

  test("behind a zeroed piece the log is read on, from the second whole record", () => {
    const [segment] = write(
      numbered(100, () => 300),
      100,
    );
    const places = entriesOf(readLog([memorySource(segment!.bytes)]));
    const zeroed = segment!.bytes.slice();
    zeroed.fill(0, places[30]!.position + 100, places[40]!.position + 50);
    const log = readLog([memorySource(zeroed)]);
    expect(log.breaks).toMatchObject([{ kind: "damaged", before: 30, behind: 43 }]);
    expect(log.fragments.map(({ entries: [first], ...rest }) => [first!.index, rest.commit])).toEqual([
      [1, 100],
      [43, 0],
    ]);
    for (const entry of entriesOf(log)) {
      expect(createEntryReader([memorySource(zeroed)])(entry)).toEqual(numbered(100, () => 300)[entry.index - 1]);
    }
  });

  test("entries that a later leader overwrote behind a damaged place are gone too", () => {
    const rewritten = numbered(6, () => 300)
      .slice(3)
      .map((entry) => ({ ...entry, term: 3 }));
    const [segment] = write([...numbered(8, () => 300), ...rewritten], 3);
    const { position } = entriesOf(readLog([memorySource(segment!.bytes)])).at(-3)!;
    const damaged = segment!.bytes.slice();
    damaged[position + 50]! ^= 1; // entry 4 of term 3
    const log = readLog([memorySource(damaged)]);
    expect(entriesOf(log).map(({ index, term }) => [index, term])).toEqual([
      [1, 2],
      [2, 2],
      [3, 2],
      [4, 2],
      [5, 3],
      [6, 3],
    ]);
    expect(log.fragments).toHaveLength(2);
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
    expect(readLog([source]).breaks).toMatchObject([{ kind: "damaged", position: segment!.bytes.length }]);
  });

  test("records behind a page of zeros in the middle are found, wherever the zeros begin", () => {
    for (const gap of [4096, 8192, 9000, 100_000]) {
      const segments = write(entries, 10, 4000);
      const bytes = Buffer.from(segments[1]!.bytes);
      // Behind the first record: the low 56 bits of a header are the record's size, the lowest three of its last byte the padding.
      const cut = 8 + bytes.readUIntLE(0, 6) + (bytes[7]! & 7);
      const whole = readLog(sources(segments));
      segments[1]!.bytes = Buffer.concat([bytes.subarray(0, cut), new Uint8Array(gap), bytes.subarray(cut)]);
      const log = readLog(sources(segments));
      expect(log.breaks).toMatchObject([{ kind: "damaged", segment: 1, position: cut }]);
      expect(entriesOf(log).at(-1)).toEqual(entriesOf(whole).at(-1));
      expect(entriesOf(whole).length - entriesOf(log).length).toBeLessThanOrEqual(2);
    }
  });

  test("a damaged segment in the middle is not torn, and the segments behind it are read", () => {
    const segments = write(entries, 10, 4000);
    expect(segments.length).toBeGreaterThan(2);
    segments[1]!.bytes = segments[1]!.bytes.subarray(0, segments[1]!.bytes.length - 4);
    const log = readLog(sources(segments));
    expect(log.breaks).toMatchObject([{ kind: "damaged", segment: 1 }]);
    expect(entriesOf(log).at(-1)!.index).toBe(10);
    expect(entriesOf(log)).toHaveLength(9);
  });

  test("segments that are missing, empty, zeroed, cut at a record, or unreadable are named, and the others are read", () => {
    const segments = write(entries, 10, 4000);
    const [first, second, third] = segments as [Segment, Segment, Segment];
    const kinds = (changed: Parameters<typeof readLog>[0]): unknown[] => {
      const log = readLog(changed);
      expect(entriesOf(log).at(-1)!.index).toBe(10);
      return log.breaks.map(({ kind, segment, before, behind }) => [kind, segment, before, behind]);
    };
    const all = sources(segments);
    const at = (i: number, change: (typeof all)[number] | { name: string; problem: string }): typeof all =>
      all.map((source, j) => (i === j ? change : source)) as typeof all;
    const lastOf = (segment: Segment): number => entriesOf(readLog(sources([segment]))).at(-1)!.index;
    const [one, two] = [lastOf(first), lastOf(second)];
    expect(kinds(all.filter((_, i) => i !== 1))).toEqual([["missing", 1, one, two + 1]]);
    expect(kinds(at(1, memorySource(new Uint8Array(0), second.name)))).toEqual([["empty", 1, one, two + 1]]);
    expect(kinds(at(1, memorySource(new Uint8Array(9000), second.name)))).toEqual([["empty", 1, one, two + 1]]);
    expect(kinds(at(1, { name: second.name, problem: "no permission" }))).toEqual([["unreadable", 1, one, two + 1]]);
    const cut = entriesOf(readLog(sources([second]))).at(-1)!.position;
    const expected = [["damaged", 2, two - 1, lastOf(second) + 1]];
    expect(kinds(at(1, memorySource(second.bytes.subarray(0, cut), second.name)))).toEqual(expected);
    expect(third.bytes.length).toBeGreaterThan(0);
  });

  test("a segment of another member is not used, and nothing behind its head either", () => {
    const segments = write(entries, 10, 4000);
    const later = entries.map((entry) => ({ ...entry, term: 9 }));
    const foreign = write(later, 10, undefined, { ...METADATA, nodeId: 7n });
    const log = readLog([
      memorySource(segments[0]!.bytes, segments[0]!.name),
      memorySource(foreign[0]!.bytes, segments[1]!.name),
    ]);
    expect(log.metadata).toEqual(METADATA);
    expect(log.breaks.map(({ text }) => text)).toContainEqual(expect.stringContaining("another member"));
    expect(entriesOf(log).every(({ term }) => term === 2)).toBe(true);
  });

  test("a log with damage everywhere ends, and says that it is not read to its end", () => {
    const many = numbered(3000, () => 100);
    const [segment] = write(many, 10);
    const places = entriesOf(readLog([memorySource(segment!.bytes)]));
    const bytes = segment!.bytes.slice();
    for (let i = 5; i < places.length; i += 5) bytes[places[i]!.position + 40]! ^= 1;
    const log = readLog([memorySource(bytes)]);
    expect(log.breaks.length).toBeLessThan(110);
    expect(log.breaks.at(-1)!.text).toContain("what is behind it is not read");
  });

  test("a WAL of nothing says so", () => {
    expect(readLog([])).toMatchObject({ metadata: undefined, fragments: [], breaks: [] });
    expect(readLog([memorySource(new Uint8Array(0))])).toMatchObject({
      metadata: undefined,
      breaks: [{ kind: "empty" }],
    });
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
  for (const [segment, source] of segments.entries()) {
    for (const { type, data } of readSegment(source, segment, true, { position: 0, crc: undefined })) {
      const encoded = encodeRecord(type, again[type]!(data), crc);
      crc = encoded.crc;
      if (segment === wanted) frames.push(encoded.frame);
    }
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
    expect(log.breaks).toEqual([]);
    expect(log.state.commit).toBeGreaterThanOrEqual(25);
    expect(entriesOf(log).at(-1)!.index).toBeGreaterThanOrEqual(log.state.commit);
    expect(entriesOf(log)[0]).toMatchObject({ type: ENTRY_CONF_CHANGE, index: 1, term: 1 });
    segments.forEach((segment, i) => {
      const bytes = rewritten(segments, i);
      expect(bytes.equals(segment.bytes.subarray(0, bytes.length))).toBe(true);
    });
    const values = entriesOf(log).map((entry) =>
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
      expect(snapshot.confState).toEqual(votersOnly([log.metadata!.nodeId]));
      expect(Buffer.compare(encodeRaftSnapshot(snapshot), readFileSync(join(dataDir, "member/snap", name)))).toBe(0);
      expect(JSON.parse(Buffer.from(snapshot.data).toString())).toHaveProperty("Root");
      expect(log.marks.some((mark) => mark.index === snapshot.index && mark.term === snapshot.term)).toBe(true);
    }
  });
});
