/** The etcd prefix of a snapshot's cluster, whether or not an index of all keys fits into memory. */
import { findEtcdPrefixes, PREFIX_SIGNS } from "../storage/etcd-prefix.ts";
import { chooseEtcdPrefix, choosePrefix } from "./choose-etcd-prefix.ts";
import type { Snapshot } from "./open-snapshot.ts";
import { findPrefixes, hasIndexSize, type KeyspaceOptions, readKeyspace, selectKeys } from "./read-keyspace.ts";
import { sweptBefore } from "./swept-before.ts";

export interface FindPrefixOptions extends Omit<KeyspaceOptions, "select" | "bounds" | "labelKinds"> {
  /** Where there may be more entries than this, no index of all keys is made. */
  readonly mostIndexed?: number;
}

/** Throws what {@link chooseEtcdPrefix} throws. `flag`: the prefix that was asked for, if any. */
export async function findClusterPrefix(
  snapshot: Snapshot,
  flag: string | undefined,
  { mostIndexed, ...reading }: FindPrefixOptions,
): Promise<string> {
  const searched = { path: snapshot.file.path, findings: snapshot.findings };
  if (hasIndexSize(snapshot, mostIndexed))
    return chooseEtcdPrefix(await readKeyspace(snapshot, reading), flag, searched);
  const found = await findPrefixes(snapshot, reading);
  const prefixes = found.length > 1 ? await livePrefixes(sweptBefore(snapshot), found, reading) : found;
  return choosePrefix(prefixes, flag, searched);
}

/** A prefix whose keys were all deleted holds no cluster. */
async function livePrefixes(
  snapshot: Snapshot,
  prefixes: readonly string[],
  reading: Omit<KeyspaceOptions, "select">,
): Promise<string[]> {
  const select = prefixes.flatMap((prefix) => PREFIX_SIGNS.map((sign) => selectKeys(`${prefix}${sign}`, true)));
  const keyspace = await readKeyspace(snapshot, { ...reading, select });
  return findEtcdPrefixes(keyspace.keys()).map(({ prefix }) => prefix);
}
