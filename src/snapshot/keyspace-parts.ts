/**
 * A keyspace in parts, one after the other in the order of the keys: for who reads all keys of a file that may hold more
 * than an index of them should take in memory. Each part costs a sweep of the file.
 */
import { type BoltFile, readPage } from "../bolt/bolt.ts";
import type { LeafMap } from "../bolt/leaf-map.ts";
import { checkLeaf, compareBytes, elementAt, type Page, PageFlag } from "../bolt/page.ts";
import { defined } from "../errors/defined.ts";
import { isSelectedKey, type KeyBounds, type KeySelection } from "../mvcc/index-task.ts";
import { freeIndex } from "../mvcc/key-index.ts";
import { createKeyValueFields, locateKeyValue } from "../mvcc/key-value.ts";
import { mayIndexAll } from "./index-size.ts";
import type { Snapshot } from "./open-snapshot.ts";
import {
  type Keyspace,
  type KeyspaceOptions,
  mapKeyLeaves,
  readKeyspace,
  surelyHasIndexSize,
} from "./read-keyspace.ts";
import { sweptBefore } from "./swept-before.ts";

export interface KeyspacePartsOptions extends Omit<KeyspaceOptions, "bounds"> {
  /** Where there may be more entries than this, there are parts of about so many. */
  readonly mostIndexed?: number;
  /** The keys of leaves were compared with their parents' by an earlier sweep. */
  readonly isCompared?: boolean;
}

/** The memory of a part's index is on top of the lists of a large file's leaves. */
const PART_ENTRIES = 1_000_000;
/** So many leaves are looked at to find keys between which there are about as many entries. */
const SAMPLED_LEAVES = 4096;

export interface KeyspacePart {
  readonly keyspace: Keyspace;
  /** Whether it is the only one. */
  readonly isWhole: boolean;
}

/**
 * One keyspace, or several that follow one another: each is gone when the next one is asked for. Throws what
 * {@link readKeyspace} throws.
 */
export async function* readKeyspaceParts(
  snapshot: Snapshot,
  { mostIndexed, isCompared = false, ...options }: KeyspacePartsOptions,
): AsyncGenerator<KeyspacePart> {
  if (mostIndexed === undefined && surelyHasIndexSize(snapshot)) {
    yield { keyspace: await readKeyspace(snapshot, options), isWhole: true };
    return;
  }
  const map = mapKeyLeaves(snapshot, snapshot.findings.report, !isCompared); // once: threads keep it, and it grows with the file
  if (mayIndexAll(snapshot.bolt, map, mostIndexed)) {
    yield { keyspace: await readKeyspace(snapshot, options, map), isWhole: true };
    return;
  }
  let source = snapshot;
  const parts = partsOf(snapshot.bolt, map, options.select ?? [], mostIndexed ?? PART_ENTRIES);
  for (const bounds of parts) {
    const keyspace = await readKeyspace(source, { ...options, bounds }, map);
    yield { keyspace, isWhole: parts.length === 1 };
    if (parts.length > 1) freeIndex(keyspace.index);
    source = sweptBefore(snapshot);
  }
}

function partsOf(bolt: BoltFile, map: LeafMap, select: readonly KeySelection[], most: number): KeyBounds[] {
  const { keys, entries } = sampleKeys(
    bolt,
    map,
    ({ bytes }, start, end) => select.length === 0 || select.some((each) => isSelectedKey(each, bytes, start, end)),
  );
  keys.sort(compareBytes);
  const parts = Math.max(1, Math.ceil(entries / Math.max(1, most)));
  const ranges: KeyBounds[] = [];
  let from = new Uint8Array(0);
  for (let part = 1; part < parts; part++) {
    const to = keys[Math.floor((keys.length * part) / parts)];
    if (to === undefined || compareBytes(to, from) <= 0) continue;
    ranges.push({ from, to });
    from = to;
  }
  return [...ranges, { from }];
}

/** Some keys among those that `takes` takes, in no order, and how many entries there are about. */
export function sampleKeys(
  bolt: BoltFile,
  { list }: LeafMap,
  takes: (page: Page, keyStart: number, keyEnd: number) => boolean,
): { readonly keys: Uint8Array<ArrayBuffer>[]; readonly entries: number } {
  const samples = Math.min(list.count, SAMPLED_LEAVES);
  const fields = createKeyValueFields();
  const keys: Uint8Array<ArrayBuffer>[] = [];
  for (let i = 0; i < samples; i++) {
    const result = readPage(bolt, defined(list.ids[Math.floor((list.count * i) / samples)]));
    if ("fault" in result || result.flags !== PageFlag.leaf || checkLeaf(result.page) !== undefined) continue;
    const { page } = result;
    const { bytes, view } = page;
    for (let item = 0; item < page.count; item++) {
      const at = elementAt(page, item);
      const value = at + view.getUint32(at + 4, true) + view.getUint32(at + 8, true);
      const end = value + view.getUint32(at + 12, true);
      if (locateKeyValue(bytes, value, end, fields) !== undefined) continue;
      const { keyStart, keyEnd } = fields;
      if (takes(page, keyStart, keyEnd)) keys.push(bytes.slice(keyStart, keyEnd));
    }
  }
  return { keys, entries: samples === 0 ? 0 : (keys.length / samples) * list.count };
}
