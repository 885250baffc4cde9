/** Commands on a disk that is full or too small: it is named before much is written, and nothing stays there. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { canUnshare } from "./containers.ts";
import { kubemend } from "./kubemend.ts";
import { clusterEntries, madeSnapshot } from "./made-snapshot.ts";

describe.runIf(canUnshare)("a small disk", () => {
  let directory: string;
  let disk: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "full-disks-"));
    disk = join(directory, "disk");
    mkdirSync(disk);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k,mode=0700", "none", disk]);
  });
  afterEach(() => {
    execFileSync("umount", [disk]);
    rmSync(directory, { recursive: true });
  });
  const keys = (place: string): string[] => [
    ...["--signing-key", join(directory, place, "signing"), "--identity", join(directory, place, "identity")],
  ];

  test("that is full gets no repository, no folder, and no keys of one", async () => {
    try {
      writeFileSync(join(disk, "filler"), Buffer.alloc(1 << 20));
    } catch {} // that was its purpose
    for (const place of ["keys", "disk/keys"]) {
      const { code, stderr } = await kubemend(directory, [
        "backup",
        "init",
        join(disk, "a/repository"),
        ...keys(place),
      ]);
      expect(stderr).toContain("no space left on the device");
      expect(code).toBe(1);
      expect(readdirSync(disk)).toEqual(["filler"]);
      expect(existsSync(join(directory, place))).toBe(false);
    }
  });

  test("gets no moment of a repository that does not fit", async () => {
    const repository = join(directory, "repository");
    expect((await kubemend(directory, ["backup", "init", repository, ...keys("keys")])).code).toBe(0);
    const snapshot = join(directory, "snapshot_2026-11-21_104217.db");
    const map = (n: number) => ({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { namespace: "default", name: `map-${n}`, annotations: { filler: "x".repeat(1000) } },
    });
    writeFileSync(snapshot, madeSnapshot(clusterEntries(Array.from({ length: 200 }, (_, n) => map(n)))));
    const [signing, identity] = [keys("keys").slice(0, 2), keys("keys").slice(2)];
    expect((await kubemend(directory, ["backup", "import", repository, snapshot, ...signing])).code).toBe(0);
    const words = ["backup", "restore", repository, ...identity, "--output-file", join(disk, "deep/moment.db")];
    const { code, stderr } = await kubemend(directory, words);
    expect(stderr).toMatch(/moment\.db" needs [0-9]{6} bytes, but its disk has [0-9]{5} left$/m);
    expect(code).toBe(1);
    expect(readdirSync(disk)).toEqual([]);
  });
});
