import { expect, test } from "vitest";
import { fc } from "../../test/properties.ts";
import { quantityInNanos } from "./exact-quantity.ts";

test.each([
  ["1", "1000m"],
  ["1", "1e0"],
  ["0.5", "500m"],
  [".5", "500m"],
  ["1Gi", "1073741824"],
  ["1Gi", "1024Mi"],
  ["1k", "1e3"],
  ["1E", "1e18"],
  ["-1.5", "-1500m"],
  ["+2", "2"],
  ["1.", "1"],
  ["0.1Ki", "102.4"],
  ["1e-9", "1n"],
  ["1e-10", "1n"],
])("%s is %s", (a, b) => {
  expect(quantityInNanos(a)).toBeDefined();
  expect(quantityInNanos(a)).toBe(quantityInNanos(b));
});

test.each(["", ".", "x", "1 Gi", "1ki", "1KiB", "1e99999", "--1", "1e", "Gi"])("%j is no quantity", (text) => {
  expect(quantityInNanos(text)).toBeUndefined();
});

test("amounts that differ in the last digit differ", () => {
  expect(quantityInNanos("9007199254740993")).not.toBe(quantityInNanos("9007199254740992"));
  fc.assert(
    fc.property(fc.bigInt({ min: -(10n ** 25n), max: 10n ** 25n }), (n) => {
      expect(quantityInNanos(`${n}`)).toBe(n * 1_000_000_000n);
      expect(quantityInNanos(`${n}k`)).toBe(quantityInNanos(`${n * 1000n}`));
    }),
  );
});
