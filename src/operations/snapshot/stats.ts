/** `snapshot stats`: what fills a database, by kind, by namespace, and the largest values. */

import { compareBytes } from "../../bolt/page.ts";
import { defined } from "../../errors/defined.ts";
import type { Finding } from "../../errors/errors.ts";
import type { KeyIndex } from "../../mvcc/key-index.ts";
import { keyOf } from "../../mvcc/key-table.ts";
import { readKeyspaceParts } from "../../snapshot/keyspace-parts.ts";
import { openSnapshot, type SnapshotOptions } from "../../snapshot/open-snapshot.ts";
import { findPrefixes } from "../../snapshot/read-keyspace.ts";
import { sweptBefore } from "../../snapshot/swept-before.ts";
import { findEtcdPrefixes } from "../../storage/etcd-prefix.ts";
import { readObjectKey } from "../../storage/object-key.ts";
import { findResource } from "../../storage/resources.ts";

export interface StatsOptions extends SnapshotOptions {
  readonly etcdPrefix?: string;
  /** How many of the largest keys and namespaces. */
  readonly top: number;
  /** Where there may be more entries than this, keys are read in parts of about so many. */
  readonly mostIndexed?: number;
}

interface ResourceStats {
  /** `pods`, `deployments.apps`; a key outside Kubernetes' prefix counts under `(other)`. */
  readonly resource: string;
  readonly objects: number;
  /** Versions of live and deleted objects that the file holds, tombstones included. */
  readonly revisions: number;
  /** Bytes of keys and values: of the live versions, and of all others. */
  readonly liveBytes: number;
  readonly historyBytes: number;
}

export interface SnapshotStats {
  readonly revision: number;
  readonly objects: number;
  readonly liveBytes: number;
  readonly historyBytes: number;
  /** By bytes, the largest first. */
  readonly resources: readonly ResourceStats[];
  readonly largest: readonly { readonly key: string; readonly bytes: number; readonly revisions: number }[];
  readonly namespaces: readonly { readonly namespace: string; readonly keys: number; readonly liveBytes: number }[];
  readonly findings: readonly Finding[];
}

export async function readSnapshotStats(path: string, options: StatsOptions): Promise<SnapshotStats> {
  using snapshot = await openSnapshot(path, options);
  let prefix = options.etcdPrefix;
  let isPrefixKnown = prefix !== undefined;
  const resources = new Map<string, { -readonly [K in keyof ResourceStats]: ResourceStats[K] }>();
  const namespaces = new Map<string, { namespace: string; keys: number; liveBytes: number }>();
  const largest = createLargest(options.top);
  let revision = 0;
  for await (const { keyspace, isWhole } of readKeyspaceParts(snapshot, { ...options, labelKinds: true })) {
    const { index, labels } = keyspace;
    revision = keyspace.revision;
    // A part does not show all keys.
    if (!isPrefixKnown)
      [prefix] = isWhole
        ? findEtcdPrefixes(keysOf(index)).map((found) => found.prefix)
        : await findPrefixes(sweptBefore(snapshot), options);
    isPrefixKnown = true;
    const placeOf = createPlacer(prefix, labels);
    for (let i = 0; i < index.count; i++) {
      const { resource, namespace } = placeOf(index, i);
      const row = resources.get(resource) ?? { resource, objects: 0, revisions: 0, liveBytes: 0, historyBytes: 0 };
      resources.set(resource, row);
      const live = index.tombstone[i] === 0;
      const liveBytes = live ? defined(index.valueSize[i]) + keyOf(index, i).length : 0;
      row.revisions += defined(index.versions[i]);
      row.liveBytes += liveBytes;
      row.historyBytes += defined(index.bytes[i]) - liveBytes;
      if (!live) continue;
      row.objects += 1;
      largest.add(index, i);
      if (namespace === undefined) continue;
      const space = namespaces.get(namespace) ?? { namespace, keys: 0, liveBytes: 0 };
      namespaces.set(namespace, space);
      space.keys += 1;
      space.liveBytes += liveBytes;
    }
  }
  const rows = [...resources.values()].sort((a, b) => total(b) - total(a) || (a.resource < b.resource ? -1 : 1));
  const decoder = new TextDecoder();
  return {
    revision,
    objects: sum(rows, (row) => row.objects),
    liveBytes: sum(rows, (row) => row.liveBytes),
    historyBytes: sum(rows, (row) => row.historyBytes),
    resources: rows,
    largest: largest.list().map(({ key, bytes, revisions }) => ({ key: decoder.decode(key), bytes, revisions })),
    namespaces: [...namespaces.values()]
      .sort((a, b) => b.liveBytes - a.liveBytes || (a.namespace < b.namespace ? -1 : 1))
      .slice(0, options.top),
    findings: snapshot.findings.list(),
  };
}

function total(row: ResourceStats): number {
  return row.liveBytes + row.historyBytes;
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((all, item) => all + of(item), 0);
}

function* keysOf(index: KeyIndex): Generator<Uint8Array> {
  for (let i = 0; i < index.count; i++) yield keyOf(index, i);
}

interface Place {
  readonly resource: string;
  readonly namespace: string | undefined;
}

/**
 * Tells the resource and the namespace of a key. Keys share all but their names, so that the answer is kept by what precedes the last "/".
 */
function createPlacer(prefix: string | undefined, labels: readonly string[]): (index: KeyIndex, i: number) => Place {
  const known = new Map<string, Place>();
  const kinds = labels.map((label) => {
    const cut = label.lastIndexOf("/");
    return findResource(label.slice(0, cut), label.slice(cut + 1));
  });
  return (index, i) => {
    const key = keyOf(index, i);
    const bytes = Buffer.from(key.buffer, key.byteOffset, key.length);
    const folder = bytes.toString("latin1", 0, bytes.lastIndexOf(0x2f));
    const cached = known.get(folder);
    if (cached !== undefined) return cached;
    const parts = prefix === undefined ? undefined : readObjectKey(bytes.toString(), prefix);
    const kind = kinds[defined(index.label[i]) - 1];
    const groups = kind === undefined ? parts?.groups : [kind.group];
    const group = groups?.[0] ?? "";
    const place: Place =
      parts === undefined
        ? { resource: "(other)", namespace: undefined }
        : {
            resource: group === "" ? parts.resource : `${parts.resource}.${group}`,
            namespace: parts.rest.includes("/") ? parts.rest.slice(0, parts.rest.indexOf("/")) : undefined,
          };
    known.set(folder, place);
    return place;
  };
}

interface LargeValue {
  readonly key: Uint8Array;
  readonly bytes: number;
  readonly revisions: number;
}

/** Keeps the entries with the largest values, of equal ones those with the lower keys: threads fill the index in any order. */
function createLargest(most: number): { add(index: KeyIndex, i: number): void; list(): readonly LargeValue[] } {
  const kept: LargeValue[] = [];
  const before = (bytes: number, key: Uint8Array, other: LargeValue): boolean =>
    bytes > other.bytes || (bytes === other.bytes && compareBytes(key, other.key) < 0);
  return {
    add(index, i) {
      const bytes = defined(index.valueSize[i]);
      if (kept.length === most && (most === 0 || bytes < defined(kept[most - 1]).bytes)) return;
      const key = keyOf(index, i);
      const at = kept.findIndex((other) => before(bytes, key, other));
      if (at < 0 && kept.length === most) return;
      kept.splice(at < 0 ? kept.length : at, 0, { key: key.slice(), bytes, revisions: defined(index.versions[i]) });
      if (kept.length > most) kept.pop();
    },
    list: () => kept,
  };
}
