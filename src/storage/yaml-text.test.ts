import { describe, expect, test } from "vitest";
import { liveValues } from "../../test/fixture-values.ts";
import { fc } from "../../test/properties.ts";
import type { JsonObject, JsonValue } from "../kube/object.ts";
import { sortKeys } from "./arrange.ts";
import { decodeValue } from "./decode.ts";
import { printJson } from "./json-text.ts";
import { decodeYaml } from "./yaml-parse.ts";
import { printYaml } from "./yaml-text.ts";

/** What `kubectl annotate --local -f - -o yaml` (1.32) printed for a config map with these values. */
const KUBECTL: readonly (readonly [value: string, printed: string])[] = [
  ["", '""'],
  ["y", '"y"'],
  ["NO", '"NO"'],
  ["nO", "nO"],
  ["~", '"~"'],
  ["=", "="],
  ["123", '"123"'],
  ["089", '"089"'],
  ["0x1F", '"0x1F"'],
  ["1_000", '"1_000"'],
  ["1:30", '"1:30"'],
  ["10.0.0.1", "10.0.0.1"],
  ["2020-01-01", '"2020-01-01"'],
  ["2026-11-21T03:49:31Z", '"2026-11-21T03:49:31Z"'],
  [" lead", "' lead'"],
  ["trail ", "'trail '"],
  ["a: b", "'a: b'"],
  ["a:b", "a:b"],
  ["a #b", "'a #b'"],
  ["- x", "'- x'"],
  ["-", "'-'"],
  ["@a", "'@a'"],
  ["*a", "'*a'"],
  ["it's", "it's"],
  ["'a", "'''a'"],
  ["[a", "'[a'"],
  ["a,b", "a,b"],
  ["tab\tx", '"tab\\tx"'],
  ["😀", '"\\U0001F600"'],
  ["multi\nline", "|-\n    multi\n    line"],
  ["multi\nline\n", "|\n    multi\n    line"],
  ["multi\n\n\n", "|+\n    multi\n\n"],
  ["  lead\nx", "|2-\n      lead\n    x"],
  ["line \n", '"line \\n"'],
];

describe("strings", () => {
  test.each(KUBECTL)("%j prints as %j", (value, printed) => {
    expect(printYaml({ data: { key: value } })).toBe(`data:\n  key: ${printed}\n`);
  });

  test("long ones are folded behind column 80 and read back whole", () => {
    for (const quote of ["", ": ", "\t "]) {
      const value = `${"word ".repeat(60)}${quote}end`;
      const text = printYaml({ data: { key: value } });
      const lines = text.trimEnd().split("\n");
      expect(lines.length).toBeGreaterThan(4);
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(90);
      expect(decodeYaml(text)).toEqual({ data: { key: value } });
    }
  });
});

test("structure is kubectl's: sorted keys, lists not indented, dashes in a row", () => {
  const value = { b: [[1, [2]], { c: 1, a: [] }, {}], a10: null, a2: true, "": 0.5, A: 1e21, "-x": -1n };
  expect(printYaml(value)).toBe(
    [
      '"": 0.5',
      "-x: -1",
      "A: 1e+21",
      "a2: true",
      "a10: null",
      "b:",
      "- - 1",
      "  - - 2",
      "- a: []",
      "  c: 1",
      "- {}",
      "",
    ].join("\n"),
  );
  expect(printYaml("x")).toBe("x\n");
  expect(printYaml([])).toBe("[]\n");
});

test("a key of more than 128 characters is written with a question mark", () => {
  const key = "k".repeat(129);
  expect(printYaml({ [key]: "v" })).toBe(`? ${key}\n: v\n`);
  const value = { [key]: { a: [1, 2] } };
  expect(decodeYaml(printYaml(value))).toEqual(value);
});

test("every object of a cluster reads back", () => {
  for (const stored of liveValues("k120-broad")) {
    const decoded = decodeValue(stored);
    if (decoded.state !== "object") continue;
    expect(printJson(sortKeys(decodeYaml(printYaml(decoded.object))))).toBe(
      printJson(sortKeys(decoded.object as JsonObject)),
    );
  }
});

test("every value reads back", () => {
  const strings = fc.oneof(
    fc.string(),
    fc.string({ unit: "grapheme" }),
    fc.stringMatching(/^[-0-9:._eExTZ yn~#'"\n\t]{0,30}$/),
  );
  const values = fc.letrec<{ value: JsonValue }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      strings,
      fc.constantFrom<JsonValue>(null, true, false, 0, -5, 0.25, 1e100, 9007199254740993n),
      fc.array(tie("value"), { maxLength: 4 }),
      fc.dictionary(strings, tie("value"), { maxKeys: 4, noNullPrototype: true }),
    ),
  }));
  fc.assert(
    fc.property(values.value, (value) => {
      expect(printJson(sortKeys(decodeYaml(printYaml(value))))).toBe(printJson(sortKeys(value)));
    }),
    { numRuns: 1500 },
  );
});
