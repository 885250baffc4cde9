import { expect, test } from "vitest";
import { liveValues, SNAPSHOTS } from "../../test/fixture-values.ts";
import { fc } from "../../test/properties.ts";
import { surelyDecodes } from "./check-value.ts";
import { decodeValue } from "./decode.ts";
import { isSurelyFields, isSurelyJson, isSurelyTypedJson } from "./json-check.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

test("leaves no object of an API server in doubt, also inside of a page", () => {
  let sure = 0;
  for (const name of SNAPSHOTS) {
    for (const stored of liveValues(name)) {
      const { value } = stored;
      const decoded = decodeValue(stored);
      const page = new Uint8Array(value.length + 20).fill(0x7d);
      page.set(value, 7);
      const isObject = decoded.state === "object" && decoded.unknownFields.length === 0;
      expect(surelyDecodes(value, 0, value.length), stored.key).toBe(isObject);
      expect(surelyDecodes(page, 7, 7 + value.length), stored.key).toBe(isObject);
      if (isObject) sure++;
    }
  }
  expect(sure).toBeGreaterThan(1000);
});

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

// What JSON.parse takes, and what it does not.
const TEXTS = [
  ...[
    "{}",
    "[]",
    '""',
    "0",
    "-0",
    "1.5e+3",
    "1E5",
    "true",
    "false",
    "null",
    ' {"a" : [ 1 , {} ] }\n',
    '"\\u00e9\\n\\/"',
  ],
  ...[
    '{"a":{"b":{}},"c":{}}',
    '{"f:spec":{"k:{\\"name\\":\\"x\\"}":{".":{}}}}',
    "[[[]]]",
    '{"":{}}',
    '"\u{1f600}"',
    '{"a":{} }',
  ],
  ...[
    "",
    " ",
    "{",
    "}",
    "[",
    '"',
    "01",
    "1.",
    ".5",
    "1e",
    "-",
    "+1",
    "tru",
    "nul",
    "nulll",
    "{}}",
    "{} {}",
    "[1,]",
    "[,1]",
  ],
  ...[
    '{"a"}',
    '{"a":}',
    '{"a":1,}',
    "{,}",
    "{a:1}",
    "'a'",
    '"a',
    '"\\x"',
    '"\\u12g4"',
    '"\\u12"',
    '"\n"',
    '{"a":{}',
    '{"a":{},}',
  ],
  ...[
    '{"a":{},"b"}',
    '{"a":{}}x',
    '{"a":{}"b":{}}',
    '{"a"{}}',
    "{{}}",
    '{"a":{}}}',
    "\u00a0{}",
    "[1 2]",
    "NaN",
    "Infinity",
  ],
];

test.each(TEXTS)("tells what JSON.parse says of %j", (text) => {
  const isJson = parses(text);
  const padded = bytes(`}${text}}"`);
  const end = padded.length - 2;
  expect(isSurelyJson(padded, 1, end)).toBe(isJson);
  expect(isSurelyFields(padded, 1, end)).toBe(isJson);
  expect(isSurelyTypedJson(padded, 1, end)).toBe(false);
});

test("doubts what is nested deeply", () => {
  for (const depth of [190, 210, 100_000]) {
    for (const text of ["[".repeat(depth) + "]".repeat(depth), `${'{"a":'.repeat(depth)}{}${"}".repeat(depth)}`]) {
      expect(isSurelyJson(bytes(text), 0, text.length)).toBe(depth === 190);
      expect(isSurelyFields(bytes(text), 0, text.length)).toBe(depth === 190);
    }
  }
});

test.each([
  ['{"kind":"A","apiVersion":"b/v1","spec":{"kind":1}}', true],
  ['{"kind":"A"}', false],
  ['{"apiVersion":"v1","kind":1}', false],
  ['{"apiVersion":"v1","kind":"A","kind":"B"}', false],
  ['{"apiVersion":"v1","kind":"A","k\\u0069nd":7}', false],
  ['{"apiVersion":"v1","kind":"A"', false],
  ['{"apiVersion":"v1","kind":"A"},', false],
  ["{}", false],
])("an object in JSON says its type: %s", (text, sure) => {
  expect(isSurelyTypedJson(bytes(text), 0, bytes(text).length)).toBe(sure);
  expect(surelyDecodes(bytes(text), 0, bytes(text).length)).toBe(sure);
});

test("takes nothing that JSON.parse refuses, and doubts nothing that it takes", () => {
  const seed = '{"f:a":{".":{},"k:{\\"n\\":1}":{"f:b":{}}},"f:c":{}}';
  const edits = fc.array(fc.tuple(fc.nat(60), fc.nat(3), fc.constantFrom(...'{}":,\\a1 []\n')), {
    minLength: 1,
    maxLength: 4,
  });
  const texts = fc.oneof(
    fc.json(),
    fc
      .array(fc.constantFrom("{", "}", '"a":', "{}", ",", '"', ":", "1", "[", "]", " ", "\\"), { maxLength: 12 })
      .map((parts) => parts.join("")),
    edits.map((list) => list.reduce((text, [at, cut, put]) => text.slice(0, at) + put + text.slice(at + cut), seed)),
  );
  fc.assert(
    fc.property(texts, (text) => {
      const encoded = bytes(text);
      const isJson = parses(text);
      expect(isSurelyJson(encoded, 0, encoded.length)).toBe(isJson);
      expect(isSurelyFields(encoded, 0, encoded.length)).toBe(isJson);
    }),
    { numRuns: 20_000 },
  );
});
