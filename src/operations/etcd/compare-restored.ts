/**
 * Whether what serves is what was restored. An old member that still runs when restored ones start takes them in where
 * their ids are the same: it leads, and everything since the snapshot is back, with the same keys before. So the keys
 * alone prove nothing: the log must be a new one, and no revision may stem from after the snapshot.
 */
import { readLastKey } from "../../bolt/edit.ts";
import type { Finding } from "../../errors/errors.ts";
import { MendError } from "../../errors/errors.ts";
import type { FindingCode } from "../../errors/finding-codes.ts";
import { type EtcdClient, openEtcd } from "../../io/etcd/etcd-client.ts";
import { type EtcdFlags, prepareEtcdAccess } from "../../io/etcd/etcd-connection.ts";
import type { KeyspaceHash } from "../../io/etcd/etcd-messages.ts";
import { decodeRevision } from "../../mvcc/revision.ts";
import { hashRevision } from "../../snapshot/hash-revision.ts";
import { openSnapshot, readStoreInfo, type Snapshot, type SnapshotOptions } from "../../snapshot/open-snapshot.ts";

export interface RestoredComparison {
  /** `proved` for every member that was asked; `unknown` where nothing speaks against it and the proof is not whole. */
  readonly verdict: "proved" | "refuted" | "unknown";
  /** The newest revision of the snapshot. */
  readonly revision: number;
  readonly findings: readonly Finding[];
}

const EVERY_KEY = { key: new Uint8Array([0]), end: new Uint8Array([0]) };

/** @param path the snapshot that was restored, whole; or the moment of a repository */
export async function compareRestored(
  path: string,
  flags: EtcdFlags,
  options: SnapshotOptions = {},
): Promise<RestoredComparison> {
  const { signal } = options;
  const access = await prepareEtcdAccess(flags);
  using snapshot = await openSnapshot(path, options);
  const revision = newestRevision(snapshot, path);
  const findings: Finding[] = [];
  for (const endpoint of access.endpoints) {
    const client = openEtcd(endpoint, access, signal);
    try {
      findings.push(...(await compareMember(client, snapshot, revision, signal)));
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof MendError) || error.code === "internal") throw error;
      findings.push({ level: "warning", code: "restored-not-asked", where: endpoint, text: error.message });
    } finally {
      client.close();
    }
  }
  const has = (level: Finding["level"]) => findings.some((finding) => finding.level === level);
  return { verdict: has("error") ? "refuted" : has("warning") ? "unknown" : "proved", revision, findings };
}

async function compareMember(
  client: EtcdClient,
  snapshot: Snapshot,
  revision: number,
  signal: AbortSignal | undefined,
): Promise<Finding[]> {
  const { endpoint: where } = client;
  const findings: Finding[] = [];
  const add = (level: Finding["level"], code: FindingCode, text: string) => findings.push({ level, code, where, text });
  const { raftIndex } = await client.status();
  const { consistentIndex } = readStoreInfo(snapshot);
  if (consistentIndex === undefined || consistentIndex === 0) {
    add(
      "warning",
      "restored-log-unknown",
      "the snapshot does not say which log it is of, so that an old one cannot be recognised",
    );
  } else if (raftIndex >= consistentIndex) {
    const text =
      `its log is at entry ${raftIndex}, and the snapshot was taken at ${consistentIndex}: a restored member ` +
      "begins a new log, so it is an old member's, and writes since the snapshot are back (or so much was " +
      "written since the restore)";
    add("error", "restored-log-old", text);
  } else
    add(
      "info",
      "restored-log-new",
      `its log is a new one: it is at entry ${raftIndex}, the snapshot's at ${consistentIndex}`,
    );

  const live = await hashAt(client, revision);
  if ("compacted" in live) return [...findings, ...(await compareBumped(client, revision, live.compacted))];
  const own = await hashRevision(
    snapshot,
    revision,
    Math.max(0, live.compactRevision),
    snapshot.findings.report,
    signal,
  );
  if (own === live.hash)
    add("info", "restored-keys-equal", `it holds the snapshot's keys at revision ${revision} (HashKV ${own})`);
  else
    add(
      "error",
      "restored-keys-differ",
      `it holds other keys at revision ${revision}: HashKV ${live.hash}, that of the snapshot is ${own}`,
    );
  return findings;
}

/** The hash at the snapshot's revision, or that it is compacted, as after a restore that raised the revision. */
async function hashAt(client: EtcdClient, revision: number): Promise<KeyspaceHash | { readonly compacted: number }> {
  try {
    return await client.hashKv(revision);
  } catch (error) {
    if (!(error instanceof MendError) || error.code !== "revision-compacted") throw error;
    const newest = await client.hashKv(0);
    return { compacted: newest.compactRevision };
  }
}

/** Between the snapshot's revision and the one that the restore began at nothing may be written. */
async function compareBumped(client: EtcdClient, revision: number, compacted: number): Promise<Finding[]> {
  const where = client.endpoint;
  const common = { limit: 1, revision: 0, serializable: true, keysOnly: true };
  const between = await client.range({
    ...EVERY_KEY,
    ...common,
    minModRevision: revision + 1,
    maxModRevision: compacted,
  });
  const [found] = between.keyValues;
  if (found !== undefined) {
    const key = new TextDecoder().decode(found.key);
    const text =
      `key "${key}" was last written at revision ${found.modRevision}, after the snapshot's ${revision} and ` +
      `before ${compacted}, from where the restore continues: writes since the snapshot are back`;
    return [{ level: "error", code: "restored-keys-newer", where, text }];
  }
  const text =
    `its revision was raised, so that the keys at revision ${revision} cannot be hashed; none was written ` +
    `between it and ${compacted}`;
  return [{ level: "info", code: "restored-keys-none-newer", where, text }];
}

function newestRevision(snapshot: Snapshot, path: string): number {
  const last = readLastKey(snapshot.bolt, "key");
  const main = last === undefined ? undefined : decodeRevision(last)?.main;
  if (main !== undefined) return main;
  throw new MendError("snapshot-refused", "the snapshot holds no key, so that nothing can be compared with it", {
    where: path,
    hint: "give the snapshot that was restored",
  });
}
