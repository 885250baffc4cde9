/** `snapshot status` of a file with too many keys for an index of them says what it says of any other. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { readSnapshotStatus } from "../src/operations/snapshot/status.ts";
import { SNAPSHOTS } from "./fixture-values.ts";

test.each(SNAPSHOTS)("%s", async (name) => {
  const path = join(import.meta.dirname, "fixtures", name, "snapshot.db.gz");
  const status = await readSnapshotStatus(path);
  expect(status.liveKeys).toBeGreaterThan(100);
  expect(await readSnapshotStatus(path, { mostIndexed: 0 })).toEqual(status);
});
