import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { checkAllowed, isAllowable } from "./allowed-findings.ts";

const SOURCE = join(import.meta.dirname, "../..");
/** Where what a restore checks is reported. */
const CHECKS = [
  "bolt/*.ts",
  "mvcc/*.ts",
  "storage/{value-findings,verify-task}.ts",
  "snapshot/{parallel-sweep,open-snapshot}.ts",
];
/** Looks single keys up, which a restore does not. */
const LOOK_UP = "bolt/seek.ts";
/** Never errors, so that they stop nothing. */
const WARNINGS = new Set(["meta-invalid", "root-value", "field-unknown"]);

test("every code with which a check can stop a restore can be allowed", () => {
  const files = globSync(CHECKS, { cwd: SOURCE }).filter((file) => !file.endsWith(".test.ts") && file !== LOOK_UP);
  const text = files.map((file) => readFileSync(join(SOURCE, file), "utf8")).join("\n");
  const codes = [...text.matchAll(/\bcode: ((?:"[a-z-]+"(?: \| )?)+)/g)].flatMap(
    (match) => match[1]!.match(/[a-z-]+/g)!,
  );
  expect(codes.length).toBeGreaterThan(30);
  expect([...new Set(codes)].filter((code) => !WARNINGS.has(code) && !isAllowable(code))).toEqual([]);
});

test("a code that no finding has is refused, with those that there are", () => {
  checkAllowed(["page-unreachable", "key-order"]);
  expect(() => checkAllowed(["key-order", "page-unreachible"])).toThrow(
    expect.objectContaining({ code: "usage", hint: expect.stringContaining("page-unreachable") }),
  );
});
