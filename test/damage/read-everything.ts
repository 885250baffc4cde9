/** Everything that kubemend reads from a snapshot, run on a file that may be damaged in any way. */
import { writeFileSync } from "node:fs";
import { MendError } from "../../src/errors/errors.ts";
import { readSnapshotStats } from "../../src/operations/snapshot/stats.ts";
import { readSnapshotStatus } from "../../src/operations/snapshot/status.ts";
import { verifySnapshot } from "../../src/operations/snapshot/verify.ts";
import { openSnapshot } from "../../src/snapshot/open-snapshot.ts";
import { readKeyspace } from "../../src/snapshot/read-keyspace.ts";
import { decodeValue } from "../../src/storage/decode.ts";

/**
 * Reads a snapshot in every way. A `MendError` that is the user's is an answer; anything else that is thrown comes through.
 * Returns whether any way noticed damage, and the error's code where the file could not be read at all.
 */
export async function readEverything(path: string, bytes: Uint8Array): Promise<{ noticed: boolean; code?: string }> {
  writeFileSync(path, bytes);
  try {
    const verdict = await verifySnapshot(path);
    await readSnapshotStatus(path);
    await readSnapshotStats(path, { top: 3 });
    using snapshot = await openSnapshot(path);
    const keyspace = await readKeyspace(snapshot);
    for (const { key, value, modRevision } of keyspace.entries()) {
      decodeValue({ key: new TextDecoder().decode(key), value, modRevision });
    }
    return { noticed: !verdict.ok };
  } catch (error) {
    if (error instanceof MendError && error.code !== "internal") return { noticed: true, code: error.code };
    throw error;
  }
}
