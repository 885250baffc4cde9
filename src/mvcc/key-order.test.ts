import { expect, test } from "vitest";
import { fc } from "../../test/properties.ts";
import { sortByKey } from "./key-order.ts";
import { addKeysOf, createKeyTable, findKey, findOrAdd, type KeyTable, keyOf } from "./key-table.ts";

/** Keys that share beginnings, are beginnings of others, and have bytes beyond 127. */
const key = fc.oneof(
  fc.array(fc.constantFrom(0, 1, 47, 97, 98, 255), { maxLength: 6 }),
  fc.array(fc.constantFrom(97), { maxLength: 80 }),
  fc
    .tuple(fc.constantFrom("/registry/pods/team-000001/", "/registry/pods/team-000002/"), fc.string())
    .map(([place, name]) => [...Buffer.from(place + name)]),
);
const keys = fc.uniqueArray(key, { maxLength: 200, selector: (bytes) => bytes.join() });

function tableOf(all: readonly (readonly number[])[]): KeyTable {
  const table = createKeyTable(7);
  for (const bytes of all) findOrAdd(table, Uint8Array.from(bytes), 0, bytes.length);
  return table;
}

test("entries come in the byte order of their keys", () => {
  fc.assert(
    fc.property(keys, (all) => {
      const table = tableOf(all);
      const order = sortByKey(table, Uint32Array.from(all.keys()));
      const sorted = Array.from(order, (entry) => Buffer.from(keyOf(table, entry)).toString("hex"));
      const expected = all.map((bytes) => Buffer.from(bytes)).sort(Buffer.compare);
      expect(sorted).toEqual(expected.map((bytes) => bytes.toString("hex")));
    }),
  );
});

test("only the entries that are given are sorted", () => {
  const table = tableOf([[98], [99], [97]]);
  expect([...sortByKey(table, Uint32Array.of(0, 2))]).toEqual([2, 0]);
});

test("of keys that are all beginnings of each other, each byte is read a few times, not once for every key", () => {
  const count = 300;
  const table = createKeyTable(3);
  const longest = new Uint8Array(count).fill(120);
  for (let size = count; size > 0; size--) findOrAdd(table, longest, 0, size);
  let reads = 0;
  const keys = new Proxy(table.keys, {
    get(bytes, place) {
      reads++;
      return Reflect.get(bytes, place, bytes);
    },
  });
  const all = Uint32Array.from({ length: count }, (_, i) => i);
  const order = sortByKey({ ...table, keys }, all);
  expect(Array.from(order, (entry) => keyOf(table, entry).length)).toEqual(
    Array.from({ length: count }, (_, i) => i + 1),
  );
  const bytes = (count * (count + 1)) / 2;
  expect(reads).toBeLessThan(10 * bytes);
});

test("a table takes in the keys of another, and says which entry each has", () => {
  fc.assert(
    fc.property(keys, keys, (mine, theirs) => {
      const [table, other] = [tableOf(mine), tableOf(theirs)];
      const entries = addKeysOf(table, other);
      for (const [i, bytes] of theirs.entries()) {
        expect([...keyOf(table, entries[i]!)]).toEqual(bytes);
        expect(findKey(table, Uint8Array.from(bytes))).toBe(entries[i]);
      }
      expect(table.count).toBe(new Set([...mine, ...theirs].map((bytes) => bytes.join())).size);
    }),
  );
});
