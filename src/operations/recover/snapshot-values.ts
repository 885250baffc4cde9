/** The values of a snapshot, from which a control plane is read, and the prefix that its cluster has. */
import { defined } from "../../errors/defined.ts";
import { invariant } from "../../errors/errors.ts";
import { keyOf } from "../../mvcc/key-table.ts";
import { newestRevision } from "../../mvcc/newest-revision.ts";
import { chooseEtcdPrefix } from "../../snapshot/choose-etcd-prefix.ts";
import { type FindPrefixOptions, findPrefixWithoutIndex } from "../../snapshot/find-cluster-prefix.ts";
import { mayIndexAll } from "../../snapshot/index-size.ts";
import type { Snapshot } from "../../snapshot/open-snapshot.ts";
import {
  type Keyspace,
  mapKeyLeaves,
  readKeyspace,
  selectKeys,
  surelyHasIndexSize,
} from "../../snapshot/read-keyspace.ts";
import { sweptBefore } from "../../snapshot/swept-before.ts";
import type { StoredValues } from "./control-plane-objects.ts";

export interface SnapshotValues {
  /** Without a slash at its end. */
  readonly etcdPrefix: string;
  /** The revision that is shown. */
  readonly revision: number;
  readonly values: StoredValues;
}

export interface SnapshotValuesOptions extends FindPrefixOptions {
  /** Undefined for the only one that is there. */
  readonly etcdPrefix: string | undefined;
}

/** Throws what {@link chooseEtcdPrefix} and {@link readKeyspace} throw. */
export async function openSnapshotValues(snapshot: Snapshot, options: SnapshotValuesOptions): Promise<SnapshotValues> {
  const { etcdPrefix: flag, mostIndexed, ...reading } = options;
  const map = mostIndexed === undefined && surelyHasIndexSize(snapshot) ? undefined : mapKeyLeaves(snapshot);
  if (map === undefined || mayIndexAll(snapshot.bolt, map, mostIndexed)) {
    const keyspace = await readKeyspace(snapshot, reading, map);
    const searched = { path: snapshot.file.path, findings: snapshot.findings };
    const etcdPrefix = chooseEtcdPrefix(keyspace, flag, searched);
    return { etcdPrefix, revision: keyspace.revision, values: snapshotValues(keyspace) };
  }
  const etcdPrefix = await findPrefixWithoutIndex(snapshot, flag, reading, map);
  const again = sweptBefore(snapshot);
  let prepared: { readonly prefixes: readonly string[]; readonly keyspace: Keyspace } | undefined;
  const values: StoredValues = {
    async prepare(prefixes) {
      const select = prefixes.map((prefix) => selectKeys(prefix));
      prepared = { prefixes, keyspace: await readKeyspace(again, { ...reading, select }, map) };
    },
    readBelow(prefix, take) {
      const keyspace = prepared?.prefixes.some((each) => prefix.startsWith(each)) ? prepared.keyspace : undefined;
      invariant(keyspace !== undefined, `nobody prepared to read below ${prefix}`);
      return snapshotValues(keyspace).readBelow(prefix, take);
    },
  };
  return { etcdPrefix, revision: reading.atRevision ?? newestRevision(snapshot.bolt), values };
}

/** The values of a keyspace, read in the order of the file. */
export function snapshotValues(keyspace: Keyspace): StoredValues {
  const { index } = keyspace;
  return {
    readBelow(prefix, take) {
      const start = new TextEncoder().encode(prefix);
      const all = new Uint32Array(index.count);
      let count = 0;
      for (let i = 0; i < index.count; i++) {
        if (index.tombstone[i] === 0 && startsWith(keyOf(index, i), start)) all[count++] = i;
      }
      const entries = all
        .subarray(0, count)
        .sort(
          (a, b) => defined(index.page[a]) - defined(index.page[b]) || defined(index.item[a]) - defined(index.item[b]),
        );
      for (const i of entries) {
        const found = keyspace.read(i);
        if (found !== undefined) take(found);
      }
      return count;
    },
  };
}

function startsWith(key: Uint8Array, start: Uint8Array): boolean {
  if (key.length < start.length) return false;
  for (let i = start.length - 1; i >= 0; i--) if (key[i] !== start[i]) return false;
  return true;
}
