/** The values of a snapshot, from which a control plane is read, and the prefix that its cluster has. */
import { defined } from "../../errors/defined.ts";
import { invariant } from "../../errors/errors.ts";
import { keyOf } from "../../mvcc/key-table.ts";
import { newestRevision } from "../../mvcc/newest-revision.ts";
import { chooseEtcdPrefix, choosePrefix } from "../../snapshot/choose-etcd-prefix.ts";
import type { Snapshot } from "../../snapshot/open-snapshot.ts";
import {
  findPrefixes,
  hasIndexSize,
  type Keyspace,
  type KeyspaceOptions,
  readKeyspace,
  selectKeys,
} from "../../snapshot/read-keyspace.ts";
import { findEtcdPrefixes, PREFIX_SIGNS } from "../../storage/etcd-prefix.ts";
import type { StoredValues } from "./control-plane-objects.ts";

export interface SnapshotValues {
  /** Without a slash at its end. */
  readonly etcdPrefix: string;
  /** The revision that is shown. */
  readonly revision: number;
  readonly values: StoredValues;
}

export interface SnapshotValuesOptions extends Omit<KeyspaceOptions, "select" | "labelKinds"> {
  /** Undefined for the only one that is there. */
  readonly etcdPrefix: string | undefined;
  /** Where there may be more entries than this, the file is swept for the keys that are read next instead of for all. */
  readonly mostIndexed?: number;
}

/** Throws what {@link chooseEtcdPrefix} and {@link readKeyspace} throw. */
export async function openSnapshotValues(snapshot: Snapshot, options: SnapshotValuesOptions): Promise<SnapshotValues> {
  const { etcdPrefix: flag, mostIndexed, ...reading } = options;
  const searched = { path: snapshot.file.path, findings: snapshot.findings };
  if (hasIndexSize(snapshot, mostIndexed)) {
    const keyspace = await readKeyspace(snapshot, reading);
    const etcdPrefix = chooseEtcdPrefix(keyspace, flag, searched);
    return { etcdPrefix, revision: keyspace.revision, values: snapshotValues(keyspace) };
  }
  const found = await findPrefixes(snapshot, reading);
  const again = sweptBefore(snapshot);
  const prefixes = found.length > 1 ? await livePrefixes(again, found, reading) : found;
  const etcdPrefix = choosePrefix(prefixes, flag, searched);
  let prepared: { readonly prefixes: readonly string[]; readonly keyspace: Keyspace } | undefined;
  const values: StoredValues = {
    async prepare(prefixes) {
      const select = prefixes.map((prefix) => selectKeys(prefix));
      prepared = { prefixes, keyspace: await readKeyspace(again, { ...reading, select }) };
    },
    readBelow(prefix, take) {
      const keyspace = prepared?.prefixes.some((each) => prefix.startsWith(each)) ? prepared.keyspace : undefined;
      invariant(keyspace !== undefined, `nobody prepared to read below ${prefix}`);
      return snapshotValues(keyspace).readBelow(prefix, take);
    },
  };
  return { etcdPrefix, revision: reading.atRevision ?? newestRevision(snapshot.bolt), values };
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

/** The same snapshot, of which the next sweeps report nothing: an earlier one did. */
function sweptBefore(snapshot: Snapshot): Snapshot {
  const { report, ...rest } = snapshot.findings;
  const findings: Snapshot["findings"] = {
    ...rest,
    report: (finding) => {
      if (finding.code === "value-unreadable") report(finding); // a single value, when it is read
    },
  };
  return { ...snapshot, findings };
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
