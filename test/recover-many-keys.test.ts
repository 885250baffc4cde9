/** What `recover` reads of a backup is the same where an index of all its keys would not fit into memory. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readControlPlaneObjects } from "../src/operations/recover/control-plane-objects.ts";
import { openSnapshotValues } from "../src/operations/recover/snapshot-values.ts";
import { openSnapshot } from "../src/snapshot/open-snapshot.ts";
import { createTransformer } from "../src/storage/encryption.ts";
import { SNAPSHOTS } from "./fixture-values.ts";
import { clusterEntries, madeSnapshot } from "./made-snapshot.ts";

async function readAll(path: string, mostIndexed?: number, etcdPrefix?: string) {
  using snapshot = await openSnapshot(path);
  const { values, ...opened } = await openSnapshotValues(snapshot, {
    etcdPrefix,
    ...(mostIndexed === undefined ? {} : { mostIndexed }),
  });
  const { objects, sealed, podCount } = await readControlPlaneObjects(values, {
    etcdPrefix: opened.etcdPrefix,
    transformer: createTransformer(undefined, opened.etcdPrefix),
    namespace: "kube-system",
    report: snapshot.findings.report,
  });
  const texts = objects.map((object) => JSON.stringify(object)).sort();
  return { ...opened, texts, sealed, podCount, findings: snapshot.findings.list() };
}

test.each(SNAPSHOTS)("%s", async (name) => {
  const path = join(import.meta.dirname, "fixtures", name, "snapshot.db.gz");
  const whole = await readAll(path);
  expect(whole.texts.length).toBeGreaterThan(3);
  expect(await readAll(path, 0)).toEqual(whole);
});

test("two clusters, and a file that is none", async () => {
  const directory = mkdtempSync(join(tmpdir(), "kubemend-many-keys-"));
  const path = join(directory, "snapshot.db");
  try {
    writeFileSync(path, madeSnapshot([...clusterEntries([]), ...clusterEntries([], "/other")]));
    const message = /holds 2 clusters, under "\/other", "\/registry"|under "\/registry", "\/other"/;
    await expect(readAll(path)).rejects.toThrow(message);
    await expect(readAll(path, 0)).rejects.toThrow(message);
    expect((await readAll(path, 0, "/other")).etcdPrefix).toBe("/other");
    writeFileSync(path, madeSnapshot([["/registry/x", "{}"]]));
    await expect(readAll(path, 0)).rejects.toThrow("no Kubernetes cluster in this snapshot");
  } finally {
    rmSync(directory, { recursive: true });
  }
});
