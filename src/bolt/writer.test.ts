import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findProgram, PROGRAMS_MISSING } from "../../test/programs.ts";
import { type BoltWriterOptions, createBoltWriter } from "./writer.ts";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "bolt-writer-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** A file with small, empty, large and nested buckets, and values from nothing to many pages. Returns its number of keys. */
function writeSample(path: string, options: BoltWriterOptions, revisions = 3000): number {
  const file = openSync(path, "w");
  const writer = createBoltWriter({ write: (bytes, at) => void writeSync(file, bytes, 0, bytes.length, at) }, options);
  const revision = new Uint8Array(17);
  revision[8] = 0x5f;
  let keys = 0;
  const put = (key: Uint8Array, value: Uint8Array): void => {
    writer.put(key, value);
    keys++;
  };
  writer.openBucket(text("alarm"));
  writer.closeBucket();
  writer.openBucket(text("key"));
  for (let i = 1; i <= revisions; i++) {
    new DataView(revision.buffer).setBigUint64(0, BigInt(i));
    // mvccpb.KeyValue with a key only (field 1), padded with an unknown length-delimited field 15 to sizes of all kinds.
    const pad = i % 500 === 0 ? 300_000 : (i * 37) % 900;
    const value = Buffer.concat([
      Buffer.from([0x0a, 3]),
      text("abc"),
      Buffer.from([0x7a, (pad & 0x7f) | 0x80, ((pad >> 7) & 0x7f) | 0x80, pad >> 14]),
      Buffer.alloc(pad, 0x61),
    ]);
    put(revision, value);
  }
  writer.closeBucket();
  writer.openBucket(text("members"));
  put(text("8e9e05c52164694d"), text("{}"));
  writer.closeBucket();
  writer.openBucket(text("test"), 7n);
  writer.openBucket(text("inner"));
  for (let i = 0; i < 400; i++) put(text(`k${String(i).padStart(4, "0")}${"x".repeat(i)}`), new Uint8Array(0));
  writer.closeBucket();
  writer.closeBucket();
  writer.finish();
  closeSync(file);
  return keys;
}

const etcdutl = findProgram("trixie", "etcdutl");

describe.skipIf(!etcdutl)(
  `bbolt's own check accepts what is written (${etcdutl ? "etcdutl" : PROGRAMS_MISSING})`,
  () => {
    for (const pageSize of [1024, 4096, 16384, 65536]) {
      for (const options of [
        { pageSize },
        { pageSize, freelist: "page", inlineBuckets: false, fillPercent: 0.5 },
        { pageSize, fillPercent: 1 },
      ] as const) {
        test(JSON.stringify(options), () => {
          const path = join(directory, "sample.db");
          writeSample(path, options);
          const status = JSON.parse(
            execFileSync(etcdutl!, ["snapshot", "status", path, "-w", "json"], { encoding: "utf8" }),
          ) as { revision: number; totalKey: number };
          // etcdutl counts the keys of every bucket at the root, and a nested bucket as one.
          expect(status).toMatchObject({ revision: 3000, totalKey: 3000 + 1 + 1 });
        });
      }
    }
  },
);

describe("wrong use", () => {
  const sink = { write: () => {} };

  test("a page size that is no power of two is refused", () => {
    for (const pageSize of [0, 512, 3000, 131072]) {
      expect(() => createBoltWriter(sink, { pageSize })).toThrow(`found ${pageSize}`);
    }
  });

  test("keys must ascend, buckets too, and each comes once", () => {
    const writer = createBoltWriter(sink);
    writer.openBucket(text("b"));
    writer.put(text("m"), text(""));
    for (const key of ["m", "a", ""]) expect(() => writer.put(text(key), text(""))).toThrow();
    writer.put(text("mm"), text(""));
    writer.closeBucket();
    writer.openBucket(text("a"));
    expect(() => writer.closeBucket()).toThrow("ascending");
  });

  test("the root holds buckets only, and all of them are closed", () => {
    const writer = createBoltWriter(sink);
    expect(() => writer.put(text("a"), text("b"))).toThrow("open bucket");
    expect(() => writer.closeBucket()).toThrow("no bucket");
    writer.openBucket(text("a"));
    expect(() => writer.finish()).toThrow("still open");
  });
});

test("memory stays small: pages leave in ascending order, in pieces of about a megabyte", () => {
  const writes: { readonly size: number; readonly position: number }[] = [];
  const writer = createBoltWriter({ write: (bytes, position) => void writes.push({ size: bytes.length, position }) });
  writer.openBucket(text("key"));
  const key = new Uint8Array(8);
  for (let i = 0; i < 20_000; i++) {
    new DataView(key.buffer).setUint32(4, i);
    writer.put(key, new Uint8Array(1000));
  }
  writer.closeBucket();
  const size = writer.finish();
  const metas = writes.splice(-2);
  expect(metas).toEqual([
    { size: 4096, position: 0 },
    { size: 4096, position: 4096 },
  ]);
  let next = 2 * 4096;
  for (const write of writes) {
    expect(write.position).toBe(next);
    expect(write.size).toBeLessThanOrEqual(1024 * 1024);
    next += write.size;
  }
  expect(next).toBe(size);
});
