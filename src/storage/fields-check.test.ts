import { expect, test } from "vitest";
import { arePlainFields, areSurelyFields } from "./fields-check.ts";

const fields = (name: string): Buffer =>
  Buffer.from(`{"f:metadata":{"f:annotations":{"f:${name}":{},"f:${"x".repeat(64)}":{}}}}`);

test.each([
  ["plain", "seen", true],
  ["what Go escapes", "a<b", false],
  ["an escaped quote", 'a\\"b', true],
  ["an escape with another form", "a\\u0041b", false],
])("%s: whether it is printed as it is stored, whoever saw it first", (_, name, isPlain) => {
  const bytes = fields(name);
  expect(areSurelyFields(bytes, 0, bytes.length)).toBe(true); // kept now, and not looked at yet
  expect(arePlainFields(bytes, 0, bytes.length)).toBe(isPlain);
  expect(arePlainFields(bytes, 0, bytes.length)).toBe(isPlain);
  const other = fields(`${name}2`);
  expect(arePlainFields(other, 0, other.length)).toBe(isPlain);
  expect(areSurelyFields(other, 0, other.length)).toBe(true);
});

test("a text that is none is none, kept or not", () => {
  const bytes = fields("broken\n");
  for (let i = 0; i < 2; i++) {
    expect(areSurelyFields(bytes, 0, bytes.length)).toBe(false);
    expect(arePlainFields(bytes, 0, bytes.length)).toBe(false);
  }
});
