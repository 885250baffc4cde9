import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { Host } from "../cli/host.ts";
import { run } from "../cli/run.ts";
import { verifySnapshot } from "./snapshot-verify.ts";

const FIXTURE = join(import.meta.dirname, "../../test/fixtures/selfhosted-k120/snapshot.db.gz");
const directory = mkdtempSync(join(tmpdir(), "kubemend-verify-"));
afterAll(() => rmSync(directory, { recursive: true }));

const sink = { isTTY: false, columns: undefined, write: async () => {} };
const host: Host = {
  stdout: sink,
  stderr: sink,
  env: {},
  cwd: directory,
  now: () => 0,
  signal: new AbortController().signal,
};

test("a restored database is good, also where its revision was raised", async () => {
  for (const flags of [[], ["--bump-revision", "1000000", "--mark-compacted"], ["--compact"]]) {
    const dataDir = join(directory, `data${flags.join("")}`);
    expect(await run(["snapshot", "restore", FIXTURE, "--data-dir", dataDir, ...flags], host)).toBe(0);
    const verdict = await verifySnapshot(join(dataDir, "member/snap/db"));
    expect(verdict.findings.filter((finding) => finding.level === "error")).toEqual([]);
    expect(verdict.revision).toBe(flags.includes("--bump-revision") ? 1_002_382 : 2382);
  }
});
