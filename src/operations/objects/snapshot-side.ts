/** A snapshot at a revision as a place that holds objects. */
import { defined } from "../../errors/defined.ts";
import { keyOf } from "../../mvcc/key-table.ts";
import type { KeyValue } from "../../mvcc/key-value.ts";
import { chooseEtcdPrefix } from "../../snapshot/choose-etcd-prefix.ts";
import type { KeyRange } from "../../snapshot/equal-values.ts";
import { loadEncryptionConfig } from "../../snapshot/load-encryption-config.ts";
import { openSnapshot, type Snapshot, type SnapshotOptions } from "../../snapshot/open-snapshot.ts";
import { type Keyspace, readKeyspace } from "../../snapshot/read-keyspace.ts";
import { type CustomResource, readCustomResource } from "../../storage/custom-resource.ts";
import { decodeValue } from "../../storage/decode.ts";
import { createTransformer } from "../../storage/encryption.ts";
import type { EncryptionConfig } from "../../storage/encryption-config.ts";
import { normalizeEtcdPrefix } from "../../storage/etcd-prefix.ts";
import { readObjectKey } from "../../storage/object-key.ts";
import { peekType } from "../../storage/peek-type.ts";
import type { Moment } from "./moment.ts";
import type { ReadObject, Side, SideEntry } from "./side.ts";

export interface SnapshotSideOptions extends SnapshotOptions {
  readonly etcdPrefix?: string;
  /** The path of an EncryptionConfiguration. */
  readonly encryptionConfig?: string;
}

export interface SnapshotSide extends Side, Disposable {
  readonly snapshot: Snapshot;
  readonly keyspace: Keyspace;
  /** Etcd's prefix without a slash at its end. */
  readonly prefix: string;
  readonly revision: number;
  decode(keyValue: KeyValue): ReadObject;
  /** The value without encryption, or why it cannot be opened. */
  openValue(keyValue: KeyValue): Uint8Array | string;
}

interface Range {
  readonly start: number;
  end: number;
}

/** Throws what opening throws, `revision-compacted` and `revision-in-future`, and `not-kubernetes`. */
export async function openSnapshotSide(moment: Moment, options: SnapshotSideOptions = {}): Promise<SnapshotSide> {
  const config = loadEncryptionConfig(options.encryptionConfig);
  const snapshot = await openSnapshot(moment.file, options);
  try {
    return await readSnapshotSide(snapshot, moment, options, config);
  } catch (error) {
    snapshot[Symbol.dispose]();
    throw error;
  }
}

/** The same of a snapshot that is open already. */
export async function readSnapshotSide(
  snapshot: Snapshot,
  moment: Moment,
  options: SnapshotSideOptions,
  config: EncryptionConfig | undefined,
): Promise<SnapshotSide> {
  const { file, atRevision } = moment;
  const reading = { ...options, ...(atRevision === undefined ? {} : { atRevision }) };
  const keyspace = await readKeyspace(snapshot, reading);
  const flag = options.etcdPrefix === undefined ? undefined : normalizeEtcdPrefix(options.etcdPrefix);
  const prefix = chooseEtcdPrefix(keyspace, flag, { path: file, findings: snapshot.findings });
  return showSide({ snapshot, moment, prefix, config }, keyspace);
}

/** What a snapshot is as one side, whatever of it was indexed. */
export interface SideSource {
  readonly snapshot: Snapshot;
  readonly moment: Moment;
  /** Etcd's prefix without a slash at its end. */
  readonly prefix: string;
  readonly config: EncryptionConfig | undefined;
}

/** The objects of the keys that were indexed. */
export function showSide({ snapshot, moment, prefix, config }: SideSource, keyspace: Keyspace): SnapshotSide {
  const { index } = keyspace;
  const order = keyspace.order();
  const ranges = findRanges(keyspace, order, prefix);
  const transformer = createTransformer(config, prefix);
  const decoder = new TextDecoder();
  const decode = (keyValue: KeyValue): ReadObject => {
    const { value, modRevision } = keyValue;
    const decoded = decodeValue({ key: decoder.decode(keyValue.key), value, modRevision }, transformer);
    if (decoded.state === "object") return { state: "object", object: decoded.object };
    return { state: decoded.state === "encrypted" ? "encrypted" : "unreadable", text: decoded.text };
  };
  const rangeOf = (path: string): KeyRange | undefined => {
    const range = ranges.get(path);
    if (range === undefined) return undefined;
    const skip = Buffer.byteLength(`${prefix}/${path}/`);
    return { snapshot, keyspace, entries: order.subarray(range.start, range.end), skip };
  };
  const openRange = (path: string, entries?: Iterable<number>): Map<string, SideEntry> => {
    const found = new Map<string, SideEntry>();
    const range = rangeOf(path);
    if (range === undefined) return found;
    const { skip } = range;
    for (const i of entries ?? range.entries)
      found.set(decoder.decode(keyOf(index, i).subarray(skip)), new IndexedEntry(keyspace, i, decode));
    return found;
  };
  let custom: readonly CustomResource[] | undefined;
  return {
    label: labelOf(moment),
    snapshot,
    keyspace,
    prefix,
    revision: keyspace.revision,
    paths: [...ranges.keys()],
    get custom() {
      custom ??= definedIn(openRange("apiextensions.k8s.io/customresourcedefinitions").values());
      return custom;
    },
    warnings: [],
    decode,
    openValue(keyValue) {
      const opened = transformer.open({ ...keyValue, key: decoder.decode(keyValue.key) });
      return opened instanceof Uint8Array ? opened : opened.text;
    },
    open: async (path) => openRange(path),
    range: rangeOf,
    openEntries: openRange,
    versionAt(path) {
      const range = ranges.get(path);
      const first = range && keyspace.read(defined(order[range.start]));
      if (first === undefined) return undefined;
      const opened = transformer.open({ ...first, key: decoder.decode(first.key) });
      return opened instanceof Uint8Array ? peekType(opened)?.apiVersion : undefined;
    },
    [Symbol.dispose]: () => snapshot[Symbol.dispose](),
  };
}

/** For messages, such as `backup.db at revision 4810`. */
function labelOf({ file, atRevision }: Moment): string {
  return atRevision === undefined ? file : `${file} at revision ${atRevision}`;
}

/** One entry of an index. There are many at a time: functions of its own for each would take most of the memory. */
class IndexedEntry implements SideEntry {
  readonly #keyspace: Keyspace;
  readonly #entry: number;
  readonly #decode: (keyValue: KeyValue) => ReadObject;

  constructor(keyspace: Keyspace, entry: number, decode: (keyValue: KeyValue) => ReadObject) {
    this.#keyspace = keyspace;
    this.#entry = entry;
    this.#decode = decode;
  }

  get place(): number {
    const { page, item } = this.#keyspace.index;
    return defined(page[this.#entry]) * 0x10000 + defined(item[this.#entry]);
  }

  bytes(): Uint8Array | undefined {
    return this.#keyspace.read(this.#entry)?.value;
  }

  read(): ReadObject | undefined {
    const keyValue = this.#keyspace.read(this.#entry);
    return keyValue && this.#decode(keyValue);
  }
}

function definedIn(definitions: Iterable<SideEntry>): CustomResource[] {
  return [...definitions].flatMap((entry) => {
    const found = entry.read();
    const resource = found?.state === "object" ? readCustomResource(found.object) : undefined;
    return resource === undefined ? [] : [resource];
  });
}

/** Where the keys of each resource are among the sorted ones: all keys of one begin alike, so they follow each other. */
function findRanges(keyspace: Keyspace, order: Uint32Array, prefix: string): Map<string, Range> {
  const ranges = new Map<string, Range>();
  const decoder = new TextDecoder();
  let start = new Uint8Array();
  let range: Range | undefined;
  for (let at = 0; at < order.length; at++) {
    const key = keyOf(keyspace.index, defined(order[at]));
    if (range !== undefined && startsWith(key, start)) {
      range.end = at + 1;
      continue;
    }
    const parts = readObjectKey(decoder.decode(key), prefix);
    range = undefined;
    if (parts === undefined || parts.rest === "") continue;
    start = new TextEncoder().encode(`${prefix}/${parts.path}/`);
    const known = ranges.get(parts.path);
    if (known !== undefined && known.end === at) {
      known.end = at + 1;
      range = known;
    } else {
      range = { start: at, end: at + 1 };
      ranges.set(parts.path, range);
    }
  }
  return ranges;
}

function startsWith(bytes: Uint8Array, start: Uint8Array): boolean {
  if (bytes.length <= start.length) return false;
  for (let i = start.length - 1; i >= 0; i--) if (bytes[i] !== start[i]) return false;
  return true;
}
