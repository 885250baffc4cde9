import { expect, test } from "vitest";
import { parse } from "yaml";
import { fc } from "../../test/properties.ts";
import { manifestJson, manifestYaml } from "./manifest.ts";

test.each([
  "yes",
  "No",
  "on",
  "~",
  "null",
  "0777",
  "0o17",
  "0x1f",
  "1_000",
  "12:30",
  "190:20:30.15",
  "2020-01-01",
  "=",
  "1e3",
  ".inf",
  "y",
])("the string %j is quoted", (text) => expect(manifestYaml({ a: text })).toBe(`a: "${text}"\n`));

test("flags stay readable, long ones stay on one line", () => {
  const flag = `--cipher-suites=${"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,".repeat(9)}`;
  expect(manifestYaml({ command: ["kube-apiserver", flag] })).toBe(`command:\n  - kube-apiserver\n  - ${flag}\n`);
});

test("line separators and control characters are escaped", () => {
  const text = manifestYaml({ a: "x\u0085\u2028\ufeff\u0007y" });
  expect(text).toMatch(/^a: "[\x20-\x7e]+"\n$/);
  expect(parse(text)).toEqual({ a: "x\u0085\u2028\ufeff\u0007y" });
});

test("every string comes back", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.string({ unit: "grapheme" })), (object) => {
      expect(parse(manifestYaml(object), { version: "1.1" })).toEqual({ ...object });
    }),
  );
});

test("JSON ends in a line feed", () => expect(manifestJson({ a: 1n })).toBe('{\n  "a": 1\n}\n'));

test("a key that merges maps where it is not quoted", () => {
  const object = { "<<": "", a: "<<" };
  expect(parse(manifestYaml(object), { version: "1.1" })).toEqual(object);
});
