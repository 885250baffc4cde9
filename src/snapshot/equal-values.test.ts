import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { madeSnapshot } from "../../test/made-snapshot.ts";
import { sortedEntries } from "../mvcc/key-index.ts";
import { keyOf } from "../mvcc/key-table.ts";
import { compareRangesOf, type KeyRange } from "./equal-values.ts";
import { openSnapshot } from "./open-snapshot.ts";
import { readKeyspace } from "./read-keyspace.ts";

/** Sizes from less than a page to more than what is read ahead. */
const SIZES = [0, 1, 100, 4000, 5000, 20_000, 300_000, 700_000];

test("values are compared byte for byte, whatever their size and their order in the file", async () => {
  const directory = mkdtempSync(join(tmpdir(), "kubemend-equal-"));
  try {
    const entries = Array.from({ length: 200 }, (_, i): [string, Uint8Array] => {
      const size = SIZES[(i * 7) % SIZES.length]! + (i % 3);
      return [`/a/${i}`, Buffer.alloc(size, i)];
    });
    const others = entries.map(([key, value], i): [string, Uint8Array] => {
      const copy = Buffer.from(value);
      if (i % 10 === 3 && copy.length > 0) copy[copy.length - 1]! ^= 1; // the last byte differs
      if (i % 10 === 5) return [key, Buffer.concat([copy, Buffer.from("x")])];
      return [i % 10 === 7 ? `${key}-renamed` : key, copy];
    });
    others.sort(([a], [b]) => (a < b ? 1 : -1));
    const ranges: KeyRange[] = [];
    using stack = new DisposableStack();
    for (const [name, list] of [
      ["one.db", entries],
      ["two.db", others],
    ] as const) {
      const file = join(directory, name);
      writeFileSync(file, madeSnapshot(list));
      const snapshot = stack.use(await openSnapshot(file));
      const keyspace = await readKeyspace(snapshot);
      ranges.push({ snapshot, keyspace, entries: sortedEntries(keyspace.index), skip: 0 });
    }
    const [one, two] = ranges as [KeyRange, KeyRange];
    const found = await compareRangesOf(one, two);
    const keys = ({ keyspace }: KeyRange, list: readonly number[]) =>
      list.map((entry) => new TextDecoder().decode(keyOf(keyspace.index, entry))).sort();
    const values = new Map(others);
    const isEqual = ([key, value]: (typeof entries)[number]) => {
      const other = values.get(key);
      return other !== undefined && Buffer.compare(value, other) === 0;
    };
    const equal = entries.filter(isEqual).map(([key]) => key);
    const expectKeys = (found: string[], all: readonly (readonly [string, Uint8Array])[]) =>
      expect(found).toEqual(
        all
          .map(([key]) => key)
          .filter((key) => !equal.includes(key))
          .sort(),
      );
    expect(keys(one, [...found.equal])).toEqual(equal.toSorted());
    expectKeys(keys(one, found.one), entries);
    expectKeys(keys(two, found.two), others);
    expect(equal.length).toBeGreaterThan(100);
    expect(found.one.length).toBeGreaterThan(40);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
