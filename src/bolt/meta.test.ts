import { describe, expect, test } from "vitest";
import { sampleBolt } from "../../test/damage/sample-bolt.ts";
import { MendError } from "../errors/errors.ts";
import { readBolt } from "./bolt.ts";
import { memorySource } from "./byte-source.ts";
import { decodeMeta, encodeMeta, fnv1a64, type Meta } from "./meta.ts";

const META: Meta = {
  pageSize: 4096,
  flags: 0,
  root: 0x1e7,
  rootSequence: 0,
  freelist: undefined,
  highWater: 0x246,
  transaction: 0x165,
};

test("a meta has the checksum that etcd 3.4.23 wrote for the same fields", () => {
  const page = encodeMeta(1, META);
  expect(new DataView(page.buffer).getBigUint64(72, true)).toBe(0xc87ab8998c440781n);
  expect(decodeMeta(page)).toEqual({ valid: true, meta: META });
});

test.each([
  ["", 0xcbf29ce484222325n],
  ["a", 0xaf63dc4c8601ec8cn],
  ["foobar", 0x85944171f73967e8n],
])("FNV-1a 64 of %j", (text, hash) => {
  expect(fnv1a64(new TextEncoder().encode(text))).toBe(hash);
});

test("a flip of any bit of a meta, and of its page's flags, is noticed", () => {
  const page = encodeMeta(0, META).subarray(0, 80);
  for (let at = 0; at < page.length; at++) {
    const counts = at >= 16 || at === 8 || at === 9; // id, count and overflow of a meta page mean nothing to bbolt
    for (let bit = 0; bit < 8; bit++) {
      const damaged = page.slice();
      damaged[at]! ^= 1 << bit;
      expect(decodeMeta(damaged).valid, `byte ${at} bit ${bit}`).toBe(!counts);
    }
  }
});

test.each([1024, 2048, 4096, 8192, 16384, 32768, 65536])(
  "page size %i is found, also with the first meta gone",
  (pageSize) => {
    const bytes = sampleBolt({ pageSize });
    expect(readBolt(memorySource(bytes)).meta.pageSize).toBe(pageSize);
    bytes.fill(0xff, 0, 80);
    const bolt = readBolt(memorySource(bytes));
    expect(bolt.meta.pageSize).toBe(pageSize);
    expect(bolt.metas[0].valid).toBe(false);
  },
);

test("the valid meta with the higher transaction counts", () => {
  const bytes = sampleBolt();
  const { meta } = readBolt(memorySource(bytes));
  bytes.set(encodeMeta(0, { ...meta, transaction: 8 }), 0);
  bytes.set(encodeMeta(1, { ...meta, transaction: 7 }), 4096);
  expect(readBolt(memorySource(bytes)).meta.transaction).toBe(8);
  bytes[40]! ^= 1;
  expect(readBolt(memorySource(bytes)).meta.transaction).toBe(7);
});

describe("what is no bbolt file is reported as such", () => {
  const messageOf = (bytes: Uint8Array): string => {
    try {
      readBolt(memorySource(bytes));
    } catch (error) {
      if (error instanceof MendError && error.code === "not-a-snapshot") return error.message;
      throw error;
    }
    return "it was read";
  };
  const bigEndian = (() => {
    const bytes = new Uint8Array(8192);
    for (const at of [16, 4112]) new DataView(bytes.buffer).setUint32(at, 0xed0cdaed);
    return bytes;
  })();
  test.each([
    ["empty", new Uint8Array(), "the file is empty"],
    ["short", new Uint8Array(100), "100 bytes are too few"],
    ["zeros", new Uint8Array(8192), "begins with zeros"],
    ["text", new TextEncoder().encode("apiVersion: v1\n".repeat(600)), "it is a text file"],
    ["big-endian", bigEndian, "big-endian"],
    ["random", Uint8Array.from({ length: 9000 }, (_, i) => (i * 167 + 13) & 255), "neither meta page is valid"],
  ])("%s", (_, bytes, message) => expect(messageOf(bytes)).toContain(message));

  test.each([
    ["page size 0", { pageSize: 0 }],
    ["page size 3000", { pageSize: 3000 }],
    ["page size 1 MiB", { pageSize: 1 << 20 }],
    ["root beyond the high-water mark", { root: 0x246 }],
    ["root 0", { root: 0 }],
    ["high-water mark beyond 2^32", { highWater: 2 ** 40 }],
  ])("%s, with a right checksum", (_, change) => {
    const bytes = new Uint8Array(16384);
    const page = encodeMeta(0, { ...META, ...change, pageSize: 4096 });
    const view = new DataView(page.buffer);
    if ("pageSize" in change) view.setUint32(24, change.pageSize!, true);
    view.setBigUint64(72, fnv1a64(page.subarray(16, 72)), true);
    bytes.set(page, 0);
    bytes.set(page, 4096);
    expect(messageOf(bytes)).toContain("neither meta page is valid");
  });
});
