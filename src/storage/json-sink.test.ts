import { expect, test } from "vitest";
import { fillSink, sink, writeNumber } from "./json-sink.ts";

const written = (value: number | bigint): string => {
  const end = fillSink(new Uint8Array(), "", () => writeNumber(value, 0));
  return Buffer.from(sink.output.subarray(0, end)).toString("latin1");
};

test("numbers print as JavaScript prints them", () => {
  const powers = Array.from({ length: 16 }, (_, digits) => 10 ** digits);
  const edges = [...powers, 2 ** 31, 2 ** 32, 2 ** 53].flatMap((value) => [value - 1, value, value + 1, -value]);
  const dense = Array.from({ length: 2000 }, (_, i) => i * 7);
  for (const value of [...edges, ...dense]) expect(written(value)).toBe(String(value));
  expect(written(2n ** 63n)).toBe("9223372036854775808");
  expect(written(-(2n ** 63n))).toBe("-9223372036854775808");
});
