import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readGivenObjects } from "./given-objects.ts";

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "kubemend-given-"));
  path = join(directory, "objects.yaml");
});
afterEach(() => rmSync(directory, { recursive: true }));

test("the objects of several documents, and of a list", () => {
  writeFileSync(path, "# first\n---\nkind: A\n---\nkind: BList\nitems:\n- kind: B\n- kind: B\n");
  expect(readGivenObjects(path).map(({ kind }) => kind)).toEqual(["A", "B", "B"]);
});

test("a file of a million documents is refused before they are read", () => {
  writeFileSync(path, "---\na: 1\n".repeat(1_000_000));
  expect(() => readGivenObjects(path)).toThrow(/has 1000000 documents, more than 20000/);
});
