import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { findDataDirUsers, stopHint } from "./data-dir-users.ts";

test("a static pod manifest that mounts the data dir is found, by its real path, and stopped first", () => {
  const directory = mkdtempSync(join(tmpdir(), "data-dir-users-"));
  try {
    const manifests = join(directory, "manifests");
    const dataDir = join(directory, "etcd");
    mkdirSync(manifests);
    mkdirSync(dataDir);
    symlinkSync(dataDir, join(directory, "link"));
    const pod = (path: string): string => `spec:\n  volumes:\n  - hostPath:\n      path: ${path}\n    name: data\n`;
    writeFileSync(join(manifests, "etcd.yaml"), pod(dataDir));
    writeFileSync(join(manifests, "other.yaml"), pod(`${dataDir}-other`));
    writeFileSync(join(manifests, "notes.txt"), pod(dataDir));
    const users = findDataDirUsers(join(directory, "link"), manifests);
    expect(users).toEqual([
      {
        kind: "manifest",
        name: `static pod manifest "${join(manifests, "etcd.yaml")}"`,
        stop: `move "${join(manifests, "etcd.yaml")}" out of that directory`,
      },
    ]);
    const hint = stopHint([{ kind: "process", name: "etcd (process 7)", stop: "stop process 7" }, ...users]);
    expect(hint).toMatch(/^move .* then stop process 7, then run this again$/);
    expect(findDataDirUsers(join(directory, "none"), join(directory, "none"))).toEqual([]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
