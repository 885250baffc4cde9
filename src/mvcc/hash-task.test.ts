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
