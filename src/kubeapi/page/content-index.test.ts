import { expect, test } from "vitest";
import { fc } from "../../../test/properties.ts";
import { blockOf, createContentAdder, FILTER_BYTES, mayContain, planBlocks } from "./content-index.ts";

test("whatever a block holds is found in its filter, wherever it lies", () => {
  const contents = fc.array(fc.uint8Array({ maxLength: 200 }), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(contents, fc.nat(), fc.nat(), (values, at, size) => {
      const filters = new Uint8Array(2 * FILTER_BYTES);
      const adder = createContentAdder(filters);
      for (const value of values) adder.add(FILTER_BYTES, value);
      const value = values[at % values.length]!;
      const start = value.length === 0 ? 0 : at % value.length;
      expect(mayContain(filters, FILTER_BYTES, value.subarray(start, start + (size % 40)))).toBe(true);
      expect(filters.subarray(0, FILTER_BYTES).every((byte) => byte === 0)).toBe(true);
    }),
  );
});

test("what a block does not hold is mostly known", () => {
  const filters = new Uint8Array(FILTER_BYTES);
  const adder = createContentAdder(filters);
  for (let i = 0; i < 50; i++) adder.add(0, Buffer.from(`name: web-${i} image: registry.example.org/web:1.${i}`));
  const absent = Array.from({ length: 100 }, (_, i) => Buffer.from(`10.77.${i}.201`));
  expect(absent.filter((text) => mayContain(filters, 0, text)).length).toBeLessThan(5);
});

test.each([
  ["two", 2],
  ["three", 3],
  ["four", 4],
])("of words of %s letters, too", (_, length) => {
  const filters = new Uint8Array(FILTER_BYTES);
  const adder = createContentAdder(filters);
  for (let i = 0; i < 50; i++) adder.add(0, Buffer.from(`name: web-${i} image: registry.example.org/web:1.${i}`));
  const letters = "BCDFGHJKLMNPQRSTVWXZ";
  const absent = Array.from({ length: 200 }, (_, i) =>
    Buffer.from([0, 1, 2, 3].map((at) => letters[Math.floor(i / 20 ** at + 7 * at) % 20]).join("")).subarray(0, length),
  );
  expect(absent.filter((text) => mayContain(filters, 0, text)).length).toBeLessThan(5);
});

test("blocks hold every key once, and there are not too many of them", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(1 << 20), { maxLength: 300 }), (sizes) => {
      const ends = planBlocks(sizes.length, (key) => sizes[key]!);
      expect(ends.at(-1) ?? 0).toBe(sizes.length);
      for (const [key] of sizes.entries()) {
        const block = blockOf(ends, key);
        expect(ends[block]!).toBeGreaterThan(key);
        if (block > 0) expect(ends[block - 1]!).toBeLessThanOrEqual(key);
      }
    }),
  );
  expect(planBlocks(1_000_000, () => 100_000).length).toBeLessThanOrEqual(8192);
});
