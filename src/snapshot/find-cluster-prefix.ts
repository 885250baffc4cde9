/** The etcd prefix of a snapshot's cluster, whether or not an index of all keys fits into memory. */
import type { LeafMap } from "../bolt/leaf-map.ts";
import { findEtcdPrefixes, PREFIX_SIGNS } from "../storage/etcd-prefix.ts";
import { chooseEtcdPrefix, choosePrefix } from "./choose-etcd-prefix.ts";
import { mayIndexAll } from "./index-size.ts";
import type { Snapshot } from "./open-snapshot.ts";
import {
  findPrefixes,
  type KeyspaceOptions,
  mapKeyLeaves,
  readKeyspace,
  selectKeys,
  surelyHasIndexSize,
} from "./read-keyspace.ts";
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
  const map = mostIndexed === undefined && surelyHasIndexSize(snapshot) ? undefined : mapKeyLeaves(snapshot);
  if (map !== undefined && !mayIndexAll(snapshot.bolt, map, mostIndexed))
    return findPrefixWithoutIndex(snapshot, flag, reading, map);
  return chooseEtcdPrefix(await readKeyspace(snapshot, reading, map), flag, searched);
}

/** The same, by a sweep for the keys that every cluster has. */
export async function findPrefixWithoutIndex(
  snapshot: Snapshot,
  flag: string | undefined,
  reading: Omit<FindPrefixOptions, "mostIndexed">,
  map: LeafMap,
): Promise<string> {
  let prefixes = await findPrefixes(snapshot, reading, map);
  if (prefixes.length > 1) {
    // A prefix whose keys were all deleted holds no cluster.
    const select = prefixes.flatMap((prefix) => PREFIX_SIGNS.map((sign) => selectKeys(`${prefix}${sign}`, true)));
    const keyspace = await readKeyspace(sweptBefore(snapshot), { ...reading, select }, map);
    prefixes = findEtcdPrefixes(keyspace.keys()).map(({ prefix }) => prefix);
  }
  return choosePrefix(prefixes, flag, { path: snapshot.file.path, findings: snapshot.findings });
}
