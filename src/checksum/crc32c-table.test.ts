import { expect, test } from "vitest";
import { fc } from "../../test/properties.ts";
import { crc32c } from "./crc32c.ts";
import { crc32cByTable } from "./crc32c-table.ts";

test("the check value of CRC-32C", () => {
  expect(crc32cByTable(new TextEncoder().encode("123456789"))).toBe(0xe3069283);
  expect(crc32cByTable(new Uint8Array())).toBe(0);
});

test("is the native module's checksum, whole or in two parts", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat({ max: 100 }), (data, cut) => {
      const expected = crc32c(data);
      expect(crc32cByTable(data)).toBe(expected);
      expect(crc32cByTable(data.subarray(cut), crc32cByTable(data.subarray(0, cut)))).toBe(expected);
    }),
  );
});
