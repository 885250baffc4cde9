import { expect, test } from "vitest";
import { fc } from "../../test/properties.ts";
import { crc32c } from "../checksum/crc32c.ts";
import { joinCrc } from "./hash-task.ts";

test("the CRC of two parts joins to the CRC of the whole", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 5000 }), fc.uint8Array({ maxLength: 5000 }), (a, b) => {
      expect(joinCrc(crc32c(a), crc32c(b), b.length)).toBe(crc32c(Buffer.concat([a, b])));
    }),
  );
});

test("more sizes than are kept", () => {
  const tail = new Uint8Array(20_000).fill(7);
  for (let size = 1; size <= tail.length; size += 2) {
    const b = tail.subarray(0, size);
    if (size % 999 === 1) expect(joinCrc(5, crc32c(b), size)).toBe(crc32c(b, 5));
    else joinCrc(5, 6, size);
  }
});
