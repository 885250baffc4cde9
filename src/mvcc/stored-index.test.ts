/** The file of a key index: every damage is found out before anything is used. */
import { expect, test } from "vitest";
import { fc } from "../../test/properties.ts";
import { memorySource } from "../bolt/byte-source.ts";
import { type IndexResult, type KeySelection, selectEntries } from "./index-task.ts";
import { createKeyIndex, findOrAddEntry, INDEX_COLUMNS } from "./key-index.ts";
import { keyOf } from "./key-table.ts";
import { encodeStoredIndex, openStoredIndex } from "./stored-index.ts";

function indexOf(keys: readonly Uint8Array[]): IndexResult {
  const index = createKeyIndex(7);
  for (const key of keys) {
    const i = findOrAddEntry(index, key, 0, key.length);
    for (const [n, name] of INDEX_COLUMNS.entries()) index[name][i] = name === "tombstone" ? i % 2 : (i + 1) * (n + 1);
    index.label[i] = 1 + (i % 2);
  }
  return { index, lastRevision: 2 ** 40, labels: ["v1/Pod", "v1/Secret"] };
}

const encode = (result: IndexResult): Buffer => Buffer.concat([...encodeStoredIndex(result, "this file")]);
const rows = ({ index }: IndexResult) =>
  Array.from({ length: index.count }, (_, i) => [
    Buffer.from(keyOf(index, i)).toString("hex"),
    ...INDEX_COLUMNS.map((name) => index[name][i]),
  ]).sort(([a], [b]) => (a! < b! ? -1 : 1));

const key = fc.uint8Array({ minLength: 1, maxLength: 6, max: 3 });

test("what is found in the file is what is selected of the index", () => {
  const selection = fc.record({ prefix: fc.uint8Array({ maxLength: 4, max: 3 }), exact: fc.boolean() });
  fc.assert(
    fc.property(
      fc.array(key, { maxLength: 2000, size: "max" }),
      fc.array(selection, { maxLength: 3 }),
      fc.boolean(),
      (keys, select: KeySelection[], labelled) => {
        const all = indexOf(keys);
        const stored = openStoredIndex(memorySource(encode(all)))!;
        expect(stored.identity).toBe("this file");
        const found = stored.find(select, labelled)!;
        const expected = selectEntries(all, select, labelled);
        expect(rows(found)).toEqual(rows(expected));
        expect(found.lastRevision).toBe(expected.lastRevision);
        expect(found.labels).toEqual(expected.labels);
      },
    ),
    { numRuns: 30 },
  );
});

test("a file with any byte changed, or cut off anywhere, gives nothing", () => {
  const keys = Array.from({ length: 20 }, (_, i) => Buffer.from(`/registry/pods/shop/web-${i}`));
  const bytes = encode(indexOf(keys));
  const read = (file: Uint8Array) => openStoredIndex(memorySource(file))?.find([], true);
  expect(read(bytes)?.index.count).toBe(20);
  for (let at = 0; at < bytes.length; at++) {
    const damaged = Uint8Array.from(bytes);
    damaged[at]! ^= 1 << (at % 8);
    expect(read(damaged), `byte ${at}`).toBeUndefined();
    expect(read(bytes.subarray(0, at)), `${at} bytes`).toBeUndefined();
  }
  expect(read(Buffer.concat([bytes, Buffer.alloc(1)]))).toBeUndefined();
});

test("an index of no keys is one", () => {
  const stored = openStoredIndex(memorySource(encode(indexOf([]))))!;
  expect(stored.find([], true)!.index.count).toBe(0);
  expect(stored.find([{ prefix: Buffer.from("/"), exact: false }], false)!.index.count).toBe(0);
});
