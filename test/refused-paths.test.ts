/** A path that the system refuses to look at is an error for the user, never an internal one. */
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { kubemend } from "./kubemend.ts";

test.each([
  ["snapshot", "status"],
  ["snapshot", "verify"],
  ["snapshot", "stats"],
  ["snapshot", "export", "-o", "jsonl"],
  ["snapshot", "get", "LOOP", "pods"],
  ["objects", "diff", "LOOP", "LOOP"],
  ["serve"],
])("%s %s of links that lead to themselves", async (...words) => {
  const cwd = mkdtempSync(join(tmpdir(), "refused-paths-"));
  try {
    const loop = join(cwd, "loop");
    symlinkSync(loop, loop);
    const given = words.map((word) => (word === "LOOP" ? loop : word));
    const { code, stderr } = await kubemend(cwd, given.includes(loop) ? given : [...given, loop]);
    expect(code).toBe(1);
    expect(stderr).toContain(`"${loop}": too many symbolic links`);
    expect(stderr).not.toContain("internal");
  } finally {
    rmSync(cwd, { recursive: true });
  }
});
