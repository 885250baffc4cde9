import { decode as decodeElsewhere } from "cborg";
import { describe, expect, test } from "vitest";
import { fc } from "../../test/properties.ts";
import type { JsonValue } from "../kube/object.ts";
import { WireError } from "../protobuf/reader.ts";
import { decodeCbor, encodeCbor } from "./cbor.ts";
import { printJson } from "./json-text.ts";

const hex = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex");

describe("decoding, by the examples of RFC 8949", () => {
  test.each([
    ["00", 0],
    ["1864", 100],
    ["1b000000e8d4a51000", 1000000000000],
    ["1b7fffffffffffffff", 9223372036854775807n],
    ["20", -1],
    ["3b7fffffffffffffff", -9223372036854775808n],
    ["3b001fffffffffffff", -9007199254740992n],
    ["f93c00", 1],
    ["f93e00", 1.5],
    ["f97bff", 65504],
    ["f90001", 2 ** -24],
    ["f98000", 0],
    ["fa47c35000", 100000],
    ["fb3ff199999999999a", 1.1],
    ["f4", false],
    ["f5", true],
    ["f6", null],
    ["6161", "a"],
    ["4161", "a"],
    ["64f0908591", "𐅑"],
    ["d64401020304", "AQIDBA=="],
    ["d74401ab", undefined],
    ["c074323031332d30332d32315432303a30343a30305a", "2013-03-21T20:04:00Z"],
    ["c11a514b67b0", "2013-03-21T20:04:00Z"],
    ["80", []],
    ["98190102030405060708090a0b0c0d0e0f101112131415161718181819", Array.from({ length: 25 }, (_, i) => i + 1)],
    ["a26161016162820203", { a: 1, b: [2, 3] }],
    ["9f018202039f0405ffff", [1, [2, 3], [4, 5]]],
    ["bf6346756ef563416d7421ff", { Fun: true, Amt: -2 }],
    ["7f657374726561646d696e67ff", "streaming"],
    ["d9d9f7a1416101", { a: 1 }],
  ])("%s", (text, value) => {
    if (value === undefined) expect(() => decodeCbor(hex(text))).toThrow(WireError);
    else expect(decodeCbor(hex(text))).toEqual(value);
  });

  test.each([
    ["1bffffffffffffffff", "an integer beyond int64"],
    ["c249010000000000000000", "a big number"],
    ["f97e00", "NaN"],
    ["f97c00", "infinity"],
    ["f7", "undefined"],
    ["a10101", "a key that is no string"],
    ["a2416101416102", "a repeated key"],
    ["0000", "two items"],
    ["1c", "a reserved initial byte"],
    ["ff", "a break outside"],
    ["61", "a cut string"],
    ["", "nothing"],
  ])("%s is refused: %s", (text) => {
    expect(() => decodeCbor(hex(text))).toThrow(WireError);
  });
});

describe("encoding", () => {
  test.each([
    [
      { kind: "A", apiVersion: "v1", b: [1, -1, 1.5, null, true] },
      "d9d9f7 a3 4162 85 01 20 f93e00 f6 f5 446b696e64 4141 4a61706956657273696f6e 427631",
    ],
    [1.1, "d9d9f7 fb3ff199999999999a"],
    [3.4028234663852886e38, "d9d9f7 fa7f7fffff"],
    [2 ** -24, "d9d9f7 f90001"],
    [9223372036854775807n, "d9d9f7 1b7fffffffffffffff"],
  ])("case %# of encoding", (value, text) => {
    expect(Buffer.from(encodeCbor(value as JsonValue)).toString("hex")).toBe(text.replaceAll(" ", ""));
  });

  test("what is encoded decodes to itself, and another reader agrees", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
        const plain = JSON.parse(JSON.stringify(value)) as JsonValue;
        const bytes = encodeCbor(plain);
        const back = decodeCbor(bytes);
        expect(back).toEqual(plain);
        expect(Buffer.from(encodeCbor(back)).equals(bytes)).toBe(true);
        if (typeof plain === "number") expect(decodeElsewhere(bytes.subarray(3))).toBe(plain);
      }),
    );
  });

  test("every half and single float is written in its own width", () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const bytes = encodeCbor(value);
        expect(bytes.length).toBeLessThanOrEqual(Number.isInteger(value) ? 12 : 8);
        expect(decodeCbor(bytes)).toBe(value === 0 ? 0 : value);
      }),
    );
    expect(printJson(decodeCbor(encodeCbor(-0)))).toBe("0");
  });
});
