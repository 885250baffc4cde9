import { expect, test } from "vitest";
import { fc } from "../../test/properties.ts";
import { WireReader } from "../protobuf/reader.ts";
import { formatDuration, parseDuration } from "./duration.ts";
import { formatTime, parseTime, readTime } from "./time.ts";

test("times print as JavaScript prints them, without fractions", () => {
  fc.assert(
    fc.property(
      fc.date({ min: new Date("0000-01-01T00:00:00Z"), max: new Date("9999-12-31T23:59:59Z"), noInvalidDate: true }),
      (date) => {
        const seconds = Math.floor(date.getTime() / 1000);
        const text = new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
        expect(formatTime(seconds)).toBe(text);
        expect(parseTime(text)).toEqual({ seconds, nanos: 0 });
      },
    ),
    { numRuns: 2000 },
  );
});

test.each([
  ["2026-11-21T03:49:31.123456Z", { seconds: 1795232971, nanos: 123456000 }],
  ["2026-11-21T05:49:31+02:00", { seconds: 1795232971, nanos: 0 }],
  ["2026-11-20T22:19:31-05:30", { seconds: 1795232971, nanos: 0 }],
  ["2026-11-21", undefined],
  ["now", undefined],
  ["2024-02-29T23:59:59Z", { seconds: 1709251199, nanos: 0 }],
  ["2026-02-29T00:00:00Z", undefined],
  ["2026-04-31T00:00:00+02:00", undefined],
  ["2026-13-01T00:00:00Z", undefined],
  ["2026-01-00T00:00:00.5Z", undefined],
  ["2026-01-01T24:00:00Z", undefined],
  ["2026-01-01T00:00:60Z", undefined],
])("%s", (text, expected) => {
  expect(parseTime(text)).toEqual(expected);
});

test("microseconds are cut, not rounded, and Go's zero time is nothing", () => {
  const bytes = Uint8Array.of(0x08, 0x01, 0x10, 0xff, 0x93, 0xeb, 0xdc, 0x03); // 1 s, 999999999 ns
  expect(readTime(new WireReader(bytes), bytes.length, true)).toBe("1970-01-01T00:00:01.999999Z");
  expect(readTime(new WireReader(bytes), bytes.length, false)).toBe("1970-01-01T00:00:01Z");
  expect(readTime(new WireReader(new Uint8Array()), 0, false)).toBeUndefined();
});

test.each([
  [0, "0s"],
  [1, "1ns"],
  [1500, "1.5µs"],
  [2_000_000, "2ms"],
  [1_500_000_000, "1.5s"],
  [60_000_000_000, "1m0s"],
  [3_600_000_000_000, "1h0m0s"],
  [3_661_000_000_001, "1h1m1.000000001s"],
  [-90_000_000_000, "-1m30s"],
  [9_223_372_036_854_775_807n, "2562047h47m16.854775807s"],
] as const)("%d nanoseconds are %s", (nanoseconds, text) => {
  expect(formatDuration(nanoseconds)).toBe(text);
  expect(parseDuration(text)).toBe(BigInt(nanoseconds));
});

test("durations come back", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n) + 1n, max: 2n ** 63n - 1n }), (nanoseconds) => {
      expect(parseDuration(formatDuration(nanoseconds))).toBe(nanoseconds);
    }),
  );
  expect(parseDuration("5")).toBeUndefined();
  expect(parseDuration("")).toBeUndefined();
});
