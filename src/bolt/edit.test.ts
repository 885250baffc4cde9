import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { findProgram, PROGRAMS_MISSING } from "../../test/programs.ts";
import type { Finding } from "../errors/errors.ts";
import { readBolt } from "./bolt.ts";
import { readBuckets, readEntries } from "./bucket.ts";
import { memorySource } from "./byte-source.ts";
import { checkBolt } from "./check.ts";
import { type BucketEdit, editBolt, readLastKey, readSmallBucket, resumeBucket } from "./edit.ts";
import type { ByteSink } from "./page-output.ts";
import { type BoltWriterOptions, createBoltWriter } from "./writer.ts";

const text = (value: string): Uint8Array => Buffer.from(value);
type Content = Record<string, [string, string][]>;

interface MemoryFile extends ByteSink {
  bytes: Uint8Array;
}

function memoryFile(): MemoryFile {
  return {
    bytes: new Uint8Array(0),
    write(bytes, position) {
      if (position + bytes.length > this.bytes.length) {
        const grown = new Uint8Array(position + bytes.length);
        grown.set(this.bytes);
        this.bytes = grown;
      }
      this.bytes.set(bytes, position);
    },
  };
}

function build(content: Content, options: BoltWriterOptions): MemoryFile {
  const file = memoryFile();
  const writer = createBoltWriter(file, options);
  for (const [name, entries] of Object.entries(content)) {
    writer.openBucket(text(name), 3n);
    for (const [key, value] of entries) writer.put(text(key), text(value));
    writer.closeBucket();
  }
  writer.finish();
  return file;
}

function content(file: MemoryFile): Content {
  const bolt = readBolt(memorySource(file.bytes));
  const refuse = (finding: Finding): never => {
    throw new Error(JSON.stringify(finding));
  };
  const lists = readBuckets(bolt, refuse).map((bucket) => {
    const entries = Array.from(readEntries(bolt, bucket, refuse), ({ key, value }) => [
      Buffer.from(key).toString(),
      Buffer.from(value).toString(),
    ]);
    return [bucket.path, entries];
  });
  return Object.fromEntries(lists) as Content;
}

function findings(file: MemoryFile): Finding[] {
  const found: Finding[] = [];
  checkBolt(readBolt(memorySource(file.bytes)), (finding) => found.push(finding));
  return found;
}

function edit(file: MemoryFile, edits: Readonly<Record<string, BucketEdit>>): void {
  const size = editBolt(readBolt(memorySource(file.bytes)), file, new Map(Object.entries(edits)));
  expect(size).toBe(file.bytes.length);
}

const revisions = (count: number): [string, string][] =>
  Array.from({ length: count }, (_, i) => [String(i).padStart(8, "0"), "v".repeat(i % 300)]);
const etcdutl = findProgram("trixie", "etcdutl");

describe.each([
  { pageSize: 1024 },
  { pageSize: 4096, inlineBuckets: false, freelist: "page" },
  { pageSize: 16384 },
] satisfies BoltWriterOptions[])("with %j", (options) => {
  test.each([0, 1, 3, 60, 20_000])("a key bucket of %d keys: what is changed is changed, the rest stays", (count) => {
    const before: Content = {
      alarm: [],
      key: revisions(count),
      members: [["a", "1"]],
      meta: [["term", "x"]],
      zz: [["k", "v"]],
    };
    const file = build(before, options);
    edit(file, {
      members: { replace: [[text("b"), text("2")]] },
      meta: { replace: [[text("index"), text("9".repeat(5000))]] },
      cluster: { replace: [[text("version"), text("3")]] },
      key: { append: [text("1"), text("bumped")] },
    });
    expect(content(file)).toEqual({
      alarm: [],
      cluster: [["version", "3"]],
      key: [...revisions(count), ["1", "bumped"]],
      members: [["b", "2"]],
      meta: [["index", "9".repeat(5000)]],
      zz: [["k", "v"]],
    });
    edit(file, { key: { append: [text("2"), text("again")] }, alarm: { replace: [] }, zzz: { replace: [] } });
    expect(content(file).key).toEqual([...revisions(count), ["1", "bumped"], ["2", "again"]]);
    const bolt = readBolt(memorySource(file.bytes));
    expect(readLastKey(bolt, "key")).toEqual(new Uint8Array(text("2")));
    expect(readSmallBucket(bolt, "zz")).toEqual([[new Uint8Array(text("k")), new Uint8Array(text("v"))]]);
    expect(readSmallBucket(bolt, "none")).toBeUndefined();
    expect(findings(file)).toEqual([]);
  });
});

test.skipIf(!etcdutl)(`bbolt's own check accepts an edited file (${etcdutl ? "etcdutl" : PROGRAMS_MISSING})`, () => {
  const directory = mkdtempSync(join(tmpdir(), "bolt-edit-"));
  try {
    for (const count of [1, 20_000]) {
      const file = build({ meta: [["a", "b"]], zkey: revisions(count) }, {});
      edit(file, { zkey: { append: [text("1"), text("bumped")] }, meta: { replace: [[text("x"), text("y")]] } });
      writeFileSync(join(directory, "db"), file.bytes);
      const out = execFileSync(etcdutl!, ["snapshot", "status", join(directory, "db"), "-w", "json"], {
        encoding: "utf8",
      });
      expect(JSON.parse(out)).toMatchObject({ totalKey: count + 2 });
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("a file that was cut in the middle of an edit still shows the old content, or the new", () => {
  const before: Content = { key: revisions(500), meta: [["a", "b"]] };
  const original = build(before, {});
  const writes: { bytes: Uint8Array; position: number }[] = [];
  editBolt(
    readBolt(memorySource(original.bytes)),
    { write: (bytes, position) => void writes.push({ bytes: bytes.slice(), position }) },
    new Map([["meta", { replace: [[text("c"), text("d")]] }]]),
  );
  expect(writes.length).toBe(3);
  for (let kept = 0; kept <= writes.length; kept++) {
    const file = memoryFile();
    file.write(original.bytes, 0);
    for (const { bytes, position } of writes.slice(0, kept)) file.write(bytes, position);
    expect(content(file).meta).toEqual(kept < 2 ? [["a", "b"]] : [["c", "d"]]);
  }
});

describe("appending many keys", () => {
  const name = (i: number): string => String(i).padStart(8, "0");
  const value = (i: number): string => "v".repeat((i * 37) % 300);
  const range = (from: number, to: number): [string, string][] =>
    Array.from({ length: to - from }, (_, i) => [name(from + i), value(from + i)]);

  test.each([
    [0, 0],
    [0, 5],
    [1, 1],
    [3, 2000],
    [40, 0],
    [40, 1],
    [500, 3],
    [3000, 1],
    [3000, 5000],
    [20_000, 30_000],
  ])("%i keys and %i more: what was there stays, what is new follows, and every page is sound", (had, count) => {
    const before = { alpha: range(0, 3), key: range(0, had), zeta: range(0, 2) };
    const file = build(before, { inlineBuckets: had < 10, pageSize: 1024 });
    const more = range(had, had + count).map(([key, item]) => [text(key), text(item)] as const);
    const bolt = readBolt(memorySource(file.bytes));
    const resumed = resumeBucket(bolt, file, "key");
    for (const [key, item] of more) resumed.put(key, item);
    const size = resumed.finish(new Map([["alpha", { replace: [[text("a"), text("b")]] }]]));
    file.bytes = file.bytes.slice(0, Math.max(size, file.bytes.length));
    expect(content(file)).toEqual({ ...before, alpha: [["a", "b"]], key: range(0, had + count) });
    const findings: Finding[] = [];
    checkBolt(readBolt(memorySource(file.bytes)), (finding) => findings.push(finding));
    expect(findings.filter(({ level }) => level === "error")).toEqual([]);
  });
});
