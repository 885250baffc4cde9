import { describe, expect, test } from "vitest";
import { fc } from "../../test/properties.ts";
import { MAX_DEPTH, parseJson } from "./json-parse.ts";

/** The same short, and so long that it is scanned. */
const padding = JSON.stringify("x".repeat(5000));
const both = (value: string): unknown[] => [
  (parseJson(`{"a":${value}}`) as { a: unknown }).a,
  (parseJson(`{"long":${padding},"a":${value}}`) as { a: unknown }).a,
  (parseJson(`{"long":${padding}, "a" : ${value} }`) as { a: unknown }).a,
];
const all = (value: unknown): unknown[] => [value, value, value];

describe("a number", () => {
  test.each([
    ["9007199254740993", 9007199254740993n],
    ["-9007199254740993", -9007199254740993n],
    ["12345678901234567890", 12345678901234567890n],
    ["1", 1],
    ["-0", 0],
    ["-0.0", 0],
    ["-0.5", -0.5],
    ["0.1234567890123456", 0.1234567890123456],
    ["1e300", 1e300],
  ])("%s", (text, expected) => {
    expect(both(text)).toEqual(all(expected));
    expect(both(`[1,${text}]`)).toEqual(all([1, expected]));
  });
});

describe("a string", () => {
  test.each(['"sha256:7777777777777777"', '"a \\" 12345678901234567, -0 {[{["', '"\\\\"', '"\\\\\\""', '""'])(
    "%s",
    (text) => {
      expect(both(text)).toEqual(all(JSON.parse(text)));
    },
  );
  test("that has no end is no JSON", () => {
    expect(() => both('"x')).toThrow(SyntaxError);
    expect(() => both('"x\\')).toThrow(SyntaxError);
  });
});

test("nesting has a limit, and brackets in strings are no nesting", () => {
  const nested = (depth: number) => `${"[".repeat(depth)}${padding}${"]".repeat(depth)}`;
  expect(() => parseJson(nested(MAX_DEPTH))).not.toThrow();
  expect(() => parseJson(nested(MAX_DEPTH + 1))).toThrow(RangeError);
  expect(() => parseJson(JSON.stringify(["[".repeat(10_000)]))).not.toThrow();
});

const space = fc.constantFrom("", " ", "\n", "\t ", "  ");
const number = fc.constantFrom("12345678901234567", "-9007199254740993", "-0", "7", "-1.5");
const place = fc.constantFrom('{"a"<1>:<2>V<3>}', "[<1>V<2>]", "[1<1>,<2>V<3>]", "<1>V<2>", '{"b":[{"a"<1>:<2>V}]<3>}');

test("white space hides no number", () => {
  fc.assert(
    fc.property(place, space, space, space, number, fc.boolean(), (shape, a, b, c, value, isLong) => {
      const text = shape.replace("<1>", a).replace("<2>", b).replace("<3>", c).replace("V", value);
      const exact = /^-?\d{16,}$/.test(value) ? BigInt(value) : Number(value) === 0 ? 0 : Number(value);
      const found = parseJson(isLong ? `{"long":${padding},"c":${text}}` : text);
      const numbers = JSON.stringify(found, (_, each) => (typeof each === "bigint" ? `${each}n` : each));
      const expected = typeof exact === "bigint" ? `"${exact}n"` : `${exact}`;
      expect(numbers).toContain(expected);
      if (Object.is(exact, 0)) expect(Object.is(innermost(found), -0)).toBe(false);
    }),
    { numRuns: 2000 },
  );
});

/** The last number that is found on the way down. */
function innermost(value: unknown): unknown {
  return typeof value === "object" && value !== null ? innermost(Object.values(value).at(-1)) : value;
}
