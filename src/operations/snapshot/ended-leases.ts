/**
 * Keys of an earlier revision whose lease has ended since. A lease is deleted when it ends, and its keys with it: the
 * snapshot still has those keys at the earlier revision, but no record of the lease. etcd attaches a key only to a
 * lease that it has ("failed to attach a lease", server/lease/lessor.go), so such a key would never end: an API server
 * that is gone would stay an endpoint of the service "kubernetes" for ever.
 */
import type { Finding } from "../../errors/errors.ts";
import type { Lease } from "../../mvcc/store-info.ts";
import type { Keyspace } from "../../snapshot/read-keyspace.ts";
import { createTurns } from "../../snapshot/turns.ts";

/** The live keys whose lease is not among `leases`, in byte order. Reads the value of every live key. */
export async function findKeysOfEndedLeases(
  keyspace: Keyspace,
  leases: readonly Lease[],
  signal?: AbortSignal,
): Promise<Uint8Array[]> {
  const known = new Set(leases.map((lease) => lease.id));
  const found: Uint8Array[] = [];
  const turn = createTurns(signal);
  for (const { key, lease } of keyspace.entries()) {
    await turn();
    if (lease !== 0n && !known.has(lease)) found.push(key.slice());
  }
  return found;
}

const MOST_FOLDERS = 8;

/** Says that they were left out, by folder. Undefined where there are none. */
export function endedLeasesNote(keys: readonly string[], revision: number): Finding | undefined {
  if (keys.length === 0) return undefined;
  const folders = new Map<string, number>();
  for (const key of keys) folders.set(folderOf(key), (folders.get(folderOf(key)) ?? 0) + 1);
  const listed = [...folders].slice(0, MOST_FOLDERS).map(([folder, count]) => `${folder} ${count}`);
  if (folders.size > MOST_FOLDERS) listed.push(`${folders.size - MOST_FOLDERS} more folders`);
  const what = keys.length === 1 ? "1 key was" : `${keys.length} keys were`;
  return {
    level: "warning",
    code: "ended-leases-left-out",
    where: `revision ${revision}`,
    text:
      `${what} left out, because the lease that each was attached to has ended after revision ${revision} and ` +
      `etcd would keep them for ever without it: ${listed.join(", ")}`,
  };
}

/** `/registry/events/` of `/registry/events/default/a`; a key without folders stands for itself. */
function folderOf(key: string): string {
  return /^\/[^/]+\/[^/]+\//.exec(key)?.[0] ?? key;
}
