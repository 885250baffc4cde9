/** `snapshot status` counts the live keys of a file in three ways, which agree. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readSnapshotStatus } from "../src/operations/snapshot/status.ts";
import { SNAPSHOTS } from "./fixture-values.ts";
import { clusterEntries, madeSnapshot } from "./made-snapshot.ts";

test.each(SNAPSHOTS)("%s, as one with too many keys to note their versions", async (name) => {
  const path = join(import.meta.dirname, "fixtures", name, "snapshot.db.gz");
  const status = await readSnapshotStatus(path);
  expect(status.liveKeys).toBeGreaterThan(100);
  expect(await readSnapshotStatus(path, { mostIndexed: 0 })).toEqual(status);
});

test("versions that do not follow one another are counted with an index, and reported once", async () => {
  const directory = mkdtempSync(join(tmpdir(), "kubemend-status-"));
  try {
    const path = join(directory, "snapshot.db");
    const twice: [string, string] = ["/registry/events/default/a", "{}"]; // each has version 1
    writeFileSync(path, madeSnapshot([twice, ...clusterEntries([]), twice]));
    const { liveKeys, totalKey, prefixes, revision, findings } = await readSnapshotStatus(path);
    expect({ liveKeys, totalKey, prefixes, revision, findings }).toEqual({
      liveKeys: 3,
      totalKey: 4,
      prefixes: ["/registry"],
      revision: 5,
      findings: [],
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
});
