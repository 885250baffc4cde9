import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { removeDeadLocks, takeLockFile } from "./lock-file.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "kubemend-locks-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

test("locks of dead runs are removed; held ones, links and other files stay", () => {
  const path = (name: string): string => join(directory, name);
  writeFileSync(path(".dead.kubemend-lock"), "");
  writeFileSync(path("file.kubemend-lock"), "");
  symlinkSync("/nowhere", path(".link.kubemend-lock"));
  const held = takeLockFile(path(".held.kubemend-lock"), path("held"), "test");
  removeDeadLocks(directory);
  const expected = [".link.kubemend-lock", "file.kubemend-lock"];
  if (held.state === "ours") {
    expect(readdirSync(directory).sort()).toEqual([".held.kubemend-lock", ...expected]);
    held.lock.release();
  }
  expect(readdirSync(directory).sort()).toEqual(expected);
});
