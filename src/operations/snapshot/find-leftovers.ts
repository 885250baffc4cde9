/**
 * What a snapshot has of the cluster that wrote it, and its restored cluster will have too: read from keys that the
 * check of the file found on its way.
 */

import { type Leftovers, leftoverPrefixes, readLeftovers } from "../../diagnosis/after-restore.ts";
import type { Finding } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import type { IndexResult, KeySelection } from "../../mvcc/index-task.ts";
import { sortedEntries } from "../../mvcc/key-index.ts";
import { keyOf } from "../../mvcc/key-table.ts";
import type { CheckedStructure } from "../../snapshot/check-structure.ts";
import { checkPrefixFound } from "../../snapshot/choose-etcd-prefix.ts";
import type { Snapshot, SnapshotOptions } from "../../snapshot/open-snapshot.ts";
import { readKeyspace, selectKeys } from "../../snapshot/read-keyspace.ts";
import { DEFAULT_ETCD_PREFIX } from "../../storage/etcd-prefix.ts";

export interface LeftoverOptions extends SnapshotOptions {
  /** Normalized; found unless given. */
  readonly etcdPrefix?: string;
  readonly atRevision?: number;
  /** Prefixes of keys that are left out. */
  readonly exclude?: readonly string[];
  /** Keys that are left out. */
  readonly excludeKeys?: readonly string[];
}

/**
 * What the check is to select for {@link findLeftovers}. Clusters are nearly always where Kubernetes puts them; others
 * cost another sweep.
 */
export function leftoverSelection({ etcdPrefix = DEFAULT_ETCD_PREFIX }: LeftoverOptions): KeySelection[] {
  return leftoverPrefixes(etcdPrefix).map((prefix) => selectKeys(prefix));
}

/** Throws `not-kubernetes` where a prefix is given and no cluster is there. */
export async function findLeftovers(
  snapshot: Snapshot,
  { index, prefixes }: CheckedStructure,
  options: LeftoverOptions,
): Promise<{ readonly leftovers: Leftovers; readonly notes: readonly Finding[] }> {
  const { etcdPrefix, exclude = [], excludeKeys = [] } = options;
  const leftOut = new Set(excludeKeys);
  const searched = { path: snapshot.file.path, findings: snapshot.findings };
  if (etcdPrefix !== undefined) checkPrefixFound(etcdPrefix, prefixes, searched);
  const found = keysOf(index);
  const prefix = etcdPrefix ?? prefixes[0] ?? (found.length > 0 ? DEFAULT_ETCD_PREFIX : undefined);
  const isElsewhere = etcdPrefix === undefined && prefix !== undefined && prefix !== DEFAULT_ETCD_PREFIX;
  const selected = isElsewhere
    ? keysOf(await readKeyspace(snapshot, { ...options, select: leftoverSelection({ etcdPrefix: prefix }) }))
    : found;
  const keys = selected.filter((key) => !leftOut.has(key) && !exclude.some((excluded) => key.startsWith(excluded)));
  const notes: Finding[] = [];
  if (etcdPrefix === undefined && prefixes.length > 1) {
    const listed = prefixes.map((each) => `"${each}"`).join(", ");
    const text =
      `the snapshot holds ${prefixes.length} clusters, under ${listed}: what is reported here is of "${prefix}" ` +
      `(${input("etcdPrefix")} chooses another)`;
    notes.push({ level: "info", code: "several-clusters", where: "snapshot", text });
  }
  return { leftovers: readLeftovers(keys, prefix), notes };
}

function keysOf({ index }: Pick<IndexResult, "index">): string[] {
  return Array.from(sortedEntries(index), (i) => Buffer.from(keyOf(index, i)).toString());
}
