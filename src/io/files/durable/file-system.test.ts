import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { realFileSystem } from "./file-system.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "file-system-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

test.each([
  ["sparse", 64 << 20],
  ["whole", 5],
])("a copy has the same content and takes no more space: %s", async (_, size) => {
  const from = join(directory, "from");
  writeFileSync(from, "begin");
  truncateSync(from, size);
  writeFileSync(from, "end", { flag: "a" });
  const source = openSync(from, "r");
  const copy = await realFileSystem.copy(source, join(directory, "to"), 0o640);
  await copy.sync();
  copy.close();
  closeSync(source);
  const made = statSync(copy.path);
  expect(readFileSync(copy.path).equals(readFileSync(from))).toBe(true);
  expect(made.blocks * 512).toBeLessThan((1 << 20) + made.size / 8);
  expect(made.mode & 0o777).toBe(0o640);
});

test("an owner and a mode are those of the file, not of what a link leads to", () => {
  const file = realFileSystem.create(join(directory, "file"), 0o600);
  file.own(0o4750, process.geteuid!(), process.getegid!());
  file.close();
  expect(statSync(file.path).mode & 0o7777).toBe(0o4750);
});
