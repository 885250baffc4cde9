import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { realFileSystem } from "./durable/file-system.ts";
import { isSameTree, moveAside } from "./move-aside.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "move-aside-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const canMount = process.geteuid?.() === 0 && spawnSync("unshare", ["--mount", "true"]).status === 0;

test("a comparison of large files is interrupted in the middle", async () => {
  const [a, b] = [join(directory, "a"), join(directory, "b")];
  for (const path of [a, b]) writeFileSync(path, Buffer.alloc(8 << 20));
  expect(await isSameTree(a, b)).toBe(true);
  const interruption = new AbortController();
  const compared = isSameTree(a, b, interruption.signal);
  interruption.abort(new Error("interrupted"));
  await expect(compared).rejects.toThrow("interrupted");
});

test.runIf(canMount)("a disk that is too small is named before anything is copied there", async () => {
  const [from, disk] = [join(directory, "from"), join(directory, "disk")];
  for (const path of [from, disk]) mkdirSync(path);
  writeFileSync(join(from, "db"), Buffer.alloc(1 << 20, 1), { flush: true });
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "none", disk]);
  try {
    const message = expect.stringMatching(/^"\S+disk\/to" needs \d{7} bytes, but its disk has \d{5} left$/);
    await expect(moveAside(realFileSystem, from, join(disk, "to"))).rejects.toMatchObject({
      code: "no-space",
      message,
    });
    expect(readdirSync(disk)).toEqual([]);
    expect(readFileSync(join(from, "db"))).toHaveLength(1 << 20);
  } finally {
    execFileSync("umount", [disk]);
  }
});
