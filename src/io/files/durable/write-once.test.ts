import { mkdtempSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { writeOnce } from "./write-once.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "write-once-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

test("what a run that was killed has left is removed by the next one, when nothing was written to it for a day", async () => {
  const [old, young] = [".kubemend-staged-a-000000000000", ".kubemend-staged-a-111111111111"];
  for (const name of [old, young, "kept"]) writeFileSync(join(directory, name), "half of a secret");
  for (const name of [old, "kept"]) utimesSync(join(directory, name), 1e9, 1e9);
  symlinkSync("kept", join(directory, ".kubemend-staged-link"));
  expect(await writeOnce(join(directory, "a"), Buffer.from("whole"))).toBe(true);
  expect(readdirSync(directory).sort()).toEqual([young, ".kubemend-staged-link", "a", "kept"]);
});

test("folders that were made for a file that could not be written go again", async () => {
  async function* fails(): AsyncGenerator<Uint8Array> {
    yield Buffer.from("half");
    throw new Error("the source failed");
  }
  await expect(writeOnce(join(directory, "a/b/c"), fails())).rejects.toThrow("the source failed");
  expect(readdirSync(directory)).toEqual([]);
});
