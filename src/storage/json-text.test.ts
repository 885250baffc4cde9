import { describe, expect, test } from "vitest";
import { fc } from "../../test/properties.ts";
import type { JsonValue } from "../kube/object.ts";
import { compareStrings, sortKeys } from "./arrange.ts";
import { MAX_DEPTH, parseJson } from "./json-parse.ts";
import { printJson } from "./json-text.ts";

describe("printing", () => {
  test.each([
    [null, "null"],
    [-0, "0"],
    [1e21, "1e+21"],
    [1e-7, "1e-7"],
    [9007199254740993n, "9007199254740993"],
    ['"\\\b\f\n\r\t\u0001', '"\\"\\\\\\b\\f\\n\\r\\t\\u0001"'],
    ["<a href='x'>&</a>\u2028\u2029", "\"\\u003ca href='x'\\u003e\\u0026\\u003c/a\\u003e\\u2028\\u2029\""],
    ["é日😀\u007f", '"é日😀\u007f"'],
    ["\ud800", '"\ufffd"'],
    [{ b: 1, a: undefined, 10: 1, 9: 2, "-": 3 }, '{"-":3,"10":1,"9":2,"b":1}'],
    [[], "[]"],
    [{}, "{}"],
  ] as const)("case %# of printing", (value, text) => {
    expect(printJson(value as JsonValue)).toBe(text);
  });

  test("indented as kubectl does", () => {
    const text = '{\n    "a": [\n        1,\n        {}\n    ],\n    "b": []\n}';
    expect(printJson({ a: [1, {}], b: [] }, { indent: 4 })).toBe(text);
  });

  test("what JSON.parse reads is what was printed", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
        const plain = JSON.parse(JSON.stringify(value));
        expect(JSON.parse(printJson(plain))).toEqual(plain);
        expect(JSON.parse(printJson(plain, { indent: 2 }))).toEqual(plain);
        expect(printJson(parseJson(printJson(plain)))).toBe(printJson(plain));
      }),
    );
  });
});

describe("parsing", () => {
  test("integers are exact", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
        for (const text of [`${value}`, `[${value}]`, `{"a":${value}}`, `{"a" : [0, ${value}]}`]) {
          expect(printJson(parseJson(text, "int64"))).toBe(text.replaceAll(" ", ""));
        }
      }),
    );
  });

  test("beyond 64 bits, a custom resource's integer is a float, and raw JSON's stays", () => {
    expect(parseJson("[18446744073709551616]", "int64")).toEqual([18446744073709552000]);
    expect(parseJson("[18446744073709551616]")).toEqual([18446744073709551616n]);
  });

  test("digits and brackets in strings are text", () => {
    const text = '{"a":"12345678901234567890","b":"-0","c":"[[\\"[[","d":12345678901234567890}';
    expect(printJson(parseJson(text))).toBe(text);
    expect(() => parseJson(`"${"[".repeat(5000)}"`)).not.toThrow();
    expect(() => parseJson(`${"[".repeat(MAX_DEPTH + 1).padEnd(5000)}1`)).toThrow(/nested/);
  });

  test("minus zero is zero", () => {
    expect(Object.is(parseJson("-0"), 0)).toBe(true);
    expect(parseJson('{"a":-0.0,"b":[-0],"c": -0.5}')).toEqual({ a: 0, b: [0], c: -0.5 });
  });
});

test("strings sort by the bytes of their UTF-8", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (a, b) => {
      expect(Math.sign(compareStrings(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
    }),
  );
  expect(["😀", "\uffee", "a"].sort(compareStrings)).toEqual(["a", "\uffee", "😀"]);
  expect(Object.keys(sortKeys({ b: 1, a: { d: 1, c: 2 } }) as object)).toEqual(["a", "b"]);
});

test("the fast way prints what the careful way prints", () => {
  const leaf = fc.oneof(
    fc.string({ unit: "binary", maxLength: 8 }),
    fc.constantFrom("<a&b>", "\u2028", "\ud800", "\\ud800", '{"1":2}', "\b\f\u0000", "é", "😀"),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.integer(),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.constantFrom(null, true, false, -0),
  );
  const { value } = fc.letrec<{ value: JsonValue }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      leaf,
      fc.array(tie("value"), { maxLength: 4 }),
      fc.dictionary(fc.oneof(fc.string({ maxLength: 5 }), fc.constantFrom("1", "02", "10", "a b", "<")), tie("value"), {
        maxKeys: 4,
      }),
    ),
  }));
  fc.assert(
    fc.property(value, fc.constantFrom(0, 4), (tree, indent) => {
      // A bigint makes JSON.stringify refuse the whole, so the careful way prints the same value beside one.
      const careful = printJson([tree, 1n], { indent });
      const wrapped = printJson([tree, 1], { indent });
      expect(wrapped).toBe(careful);
    }),
    { numRuns: 2000 },
  );
});
