import { describe, expect, test } from "vitest";
import { fc } from "../../test/properties.ts";
import { StoredMessage } from "../storage/stored-fields.ts";
import { WireError, WireReader } from "./reader.ts";
import { WireWriter } from "./writer.ts";

const written = (write: (writer: WireWriter) => void) => {
  const writer = new WireWriter();
  write(writer);
  return writer.finish();
};
const INT64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });

describe("wire", () => {
  test("64-bit numbers come back, as bigints only where a number would round", () => {
    fc.assert(
      fc.property(INT64, (value) => {
        const bytes = written((writer) => writer.varint64(value));
        const found = new WireReader(bytes).int64(bytes.length);
        expect(BigInt(found)).toBe(value);
        expect(typeof found).toBe(Number.isSafeInteger(Number(value)) ? "number" : "bigint");
        expect(bytes.length).toBe(value < 0n ? 10 : Math.max(1, Math.ceil(value.toString(2).length / 7)));
      }),
    );
  });

  test("numbers below 2^53 are written alike as number and as bigint", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (value) => {
        expect(written((writer) => writer.varint(value))).toEqual(written((writer) => writer.varint64(BigInt(value))));
      }),
    );
  });

  test.each([0, 1, 127, 128, 2 ** 14 - 1, 2 ** 14, 2 ** 31, 2 ** 32 - 1])("%d as 32 bits", (value) => {
    const bytes = written((writer) => writer.varint(value));
    expect(new WireReader(bytes).varint32(bytes.length)).toBe(value);
  });

  test("negative 32-bit numbers take ten bytes and come back", () => {
    const bytes = written((writer) => writer.integer(-5));
    expect(bytes.length).toBe(10);
    expect(new WireReader(bytes).varint32(10) | 0).toBe(-5);
  });

  test("doubles and floats come back", () => {
    fc.assert(
      fc.property(fc.double(), fc.float(), (double, float) => {
        expect(new WireReader(written((writer) => writer.double(double))).double(8)).toBe(double);
        expect(new WireReader(written((writer) => writer.float(float))).float(4)).toBe(float);
      }),
    );
  });

  test.each([
    ["a number without an end", [0x80], (reader: WireReader) => reader.varint32(1)],
    ["a number of eleven bytes", Array(11).fill(0x80), (reader: WireReader) => reader.int64(11)],
    ["a length behind the end", [0x05, 0x00], (reader: WireReader) => reader.length(2)],
    ["a length of 2^32 and one", [0x81, 0x80, 0x80, 0x80, 0x80, 0x01, 0x00], (reader: WireReader) => reader.length(7)],
    ["half a double", [0, 0, 0, 0], (reader: WireReader) => reader.double(4)],
    ["half a float", [0, 0], (reader: WireReader) => reader.float(2)],
    ["wire type 7", [0x00], (reader: WireReader) => reader.skip(7, 1)],
    ["a group without an end", [0x0b], (reader: WireReader) => reader.skip(3, 1)],
    ["nested groups", Array(200).fill(0x0b), (reader: WireReader) => reader.skip(3, 200)],
  ] as const)("%s is an error", (_name, bytes, read) => {
    expect(() => read(new WireReader(Uint8Array.from(bytes)))).toThrow(WireError);
  });

  test("groups are stepped over", () => {
    const reader = new WireReader(Uint8Array.of(0x08, 0x01, 0x0c, 0x55));
    reader.skip(3, 4);
    expect(reader.pos).toBe(3);
  });

  test("a message is seen field by field", () => {
    const bytes = written((writer) => {
      writer.raw(Uint8Array.of(1, 2, 3));
      writer.delimit(5, 0);
      const before = writer.size;
      writer.varint(300);
      writer.tag(3, 0);
      expect(writer.size - before).toBe(3);
    });
    const message = new StoredMessage(bytes, 0, bytes.length);
    expect([...message.fields.keys()]).toEqual([3, 5]);
    expect(message.content(message.last(5)!)).toEqual(Uint8Array.of(1, 2, 3));
  });
});
