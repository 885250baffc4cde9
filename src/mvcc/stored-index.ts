/**
 * A {@link KeyIndex} as a file that is read in parts: blocks of keys in byte order, each with a SHA-256, then a
 * directory of them with a SHA-256 of its own. Whoever looks up a key reads the directory and a block, whatever the size
 * of the keyspace. Every byte is covered: a file that was damaged is found out before anything of it is used.
 */
import { createHash } from "node:crypto";
import type { ByteSource } from "../bolt/byte-source.ts";
import { compareBytes } from "../bolt/page.ts";
import { defined } from "../errors/defined.ts";
import { hashSeed } from "./hash-seed.ts";
import { type IndexResult, isSelectedKey, type KeySelection } from "./index-task.ts";
import { createKeyIndex, findOrAddEntry, INDEX_COLUMNS, type KeyIndex } from "./key-index.ts";
import { sortByKey } from "./key-order.ts";
import { keyOf } from "./key-table.ts";

/** Its last character is the version of the format. */
const MAGIC = Buffer.from("kubemend-keys 1\n");
const FOOTER = 8 + 8 + 32 + MAGIC.length;
const BLOCK_ENTRIES = 512;
/** Bytes of an entry's columns: three of 8, three of 4, two of 2, one of 1. */
const ENTRY_BYTES = 3 * 8 + 3 * 4 + 2 * 2 + 1;
const BLOCK_HEAD = 8;

interface StoredBlock {
  /** Its first key, in base64. */
  readonly first: string;
  readonly offset: number;
  readonly size: number;
  /** Of its bytes, in base64. */
  readonly sha256: string;
}

interface Directory {
  /** Which file it is the index of, in the words of whoever keeps it. */
  readonly identity: string;
  readonly lastRevision: number;
  readonly labels: readonly string[];
  readonly blocks: readonly StoredBlock[];
}

export interface StoredIndex {
  readonly identity: string;
  readonly lastRevision: number;
  /** The entries of the selected keys, deleted ones too; undefined where the file is damaged. */
  find(select: readonly KeySelection[], labelled: boolean): IndexResult | undefined;
}

/** The bytes of the file, in pieces. `result` holds every key of a keyspace. */
export function* encodeStoredIndex({ index, lastRevision, labels }: IndexResult, identity: string) {
  const order = sortByKey(
    index,
    Uint32Array.from({ length: index.count }, (_, i) => i),
  );
  const blocks: StoredBlock[] = [];
  let offset = MAGIC.length;
  yield MAGIC;
  for (let at = 0; at < order.length; at += BLOCK_ENTRIES) {
    const entries = order.subarray(at, at + BLOCK_ENTRIES);
    const bytes = encodeBlock(index, entries);
    const first = Buffer.from(keyOf(index, defined(entries[0]))).toString("base64");
    blocks.push({ first, offset, size: bytes.length, sha256: sha256(bytes).toString("base64") });
    offset += bytes.length;
    yield bytes;
  }
  const directory: Directory = { identity, lastRevision, labels, blocks };
  const encoded = Buffer.from(JSON.stringify(directory));
  yield encoded;
  const footer = Buffer.alloc(FOOTER);
  footer.writeBigUInt64LE(BigInt(offset), 0);
  footer.writeBigUInt64LE(BigInt(encoded.length), 8);
  footer.set(sha256(encoded), 16);
  footer.set(MAGIC, 48);
  yield footer;
}

function encodeBlock(index: KeyIndex, entries: Uint32Array): Uint8Array {
  const count = entries.length;
  const keys: Uint8Array[] = [];
  let keyBytes = 0;
  let before: Uint8Array = new Uint8Array();
  for (const entry of entries) {
    const key = keyOf(index, entry);
    const shared = sharedBytes(before, key);
    const piece = Buffer.alloc(8 + key.length - shared);
    piece.writeUInt32LE(shared, 0);
    piece.writeUInt32LE(key.length - shared, 4);
    piece.set(key.subarray(shared), 8);
    keys.push(piece);
    keyBytes += piece.length;
    before = key;
  }
  const bytes = new Uint8Array(BLOCK_HEAD + count * ENTRY_BYTES + keyBytes);
  new DataView(bytes.buffer).setUint32(0, count, true);
  const columns = columnsOf(bytes.buffer, count);
  for (let i = 0; i < count; i++) {
    const entry = defined(entries[i]);
    for (const name of INDEX_COLUMNS) columns[name][i] = defined(index[name][entry]);
  }
  let at = BLOCK_HEAD + count * ENTRY_BYTES;
  for (const piece of keys) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** Views on a block's columns: the widest first, so that each is aligned. Little-endian, as every machine that runs Node is. */
function columnsOf(buffer: ArrayBuffer, count: number) {
  let at = BLOCK_HEAD;
  const next = <T>(type: new (buffer: ArrayBuffer, offset: number, length: number) => T, width: number): T => {
    const column = new type(buffer, at, count);
    at += width * count;
    return column;
  };
  return {
    main: next(Float64Array, 8),
    sub: next(Float64Array, 8),
    bytes: next(Float64Array, 8),
    page: next(Uint32Array, 4),
    valueSize: next(Uint32Array, 4),
    versions: next(Uint32Array, 4),
    item: next(Uint16Array, 2),
    label: next(Uint16Array, 2),
    tombstone: next(Uint8Array, 1),
  };
}

/** Reads the directory; undefined where the file is none of ours, of another version, cut off or damaged. */
export function openStoredIndex(source: ByteSource): StoredIndex | undefined {
  const footer = Buffer.alloc(FOOTER);
  const magic = Buffer.alloc(MAGIC.length);
  if (source.size < MAGIC.length + FOOTER) return undefined;
  if (source.read(footer, source.size - FOOTER) < FOOTER || source.read(magic, 0) < magic.length) return undefined;
  if (!magic.equals(MAGIC) || !footer.subarray(48).equals(MAGIC)) return undefined;
  const offset = Number(footer.readBigUInt64LE(0));
  const size = Number(footer.readBigUInt64LE(8));
  if (offset < MAGIC.length || offset + size !== source.size - FOOTER) return undefined;
  const encoded = Buffer.alloc(size);
  if (source.read(encoded, offset) < size || !sha256(encoded).equals(footer.subarray(16, 48))) return undefined;
  const directory = JSON.parse(encoded.toString()) as Directory;
  return {
    identity: directory.identity,
    lastRevision: directory.lastRevision,
    find: (select, labelled) => findEntries(source, directory, select, labelled),
  };
}

function findEntries(
  source: ByteSource,
  { blocks, labels, lastRevision }: Directory,
  select: readonly KeySelection[],
  labelled: boolean,
): IndexResult | undefined {
  const index = createKeyIndex(hashSeed(), select.length === 0 ? blocks.length * BLOCK_ENTRIES : 0);
  for (const number of blocksOf(blocks, select)) {
    if (!addBlock(source, defined(blocks[number]), index, select, labelled)) return undefined;
  }
  return { index, lastRevision, labels: labelled ? labels : [] };
}

/** The blocks that may hold selected keys, ascending. */
function blocksOf(blocks: readonly StoredBlock[], select: readonly KeySelection[]): Iterable<number> {
  if (select.length === 0) return blocks.keys();
  const found = new Set<number>();
  const first = (at: number): Uint8Array => Buffer.from(defined(blocks[at]).first, "base64");
  for (const { prefix, exact } of select) {
    // The last block that begins at or below the prefix: the keys before it are lower.
    let [low, high] = [0, blocks.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compareBytes(first(middle), prefix) <= 0) low = middle + 1;
      else high = middle;
    }
    for (let at = Math.max(0, low - 1); at < blocks.length; at++) {
      const begins = first(at);
      if (compareBytes(begins, prefix) > 0 && (exact || !startsWith(begins, prefix))) break;
      found.add(at);
    }
  }
  return [...found].sort((a, b) => a - b);
}

/** False where the block is damaged. */
function addBlock(
  source: ByteSource,
  block: StoredBlock,
  index: KeyIndex,
  select: readonly KeySelection[],
  labelled: boolean,
): boolean {
  const bytes = new Uint8Array(block.size);
  if (source.read(bytes, block.offset) < block.size) return false;
  if (sha256(bytes).toString("base64") !== block.sha256) return false;
  const view = new DataView(bytes.buffer);
  const count = view.getUint32(0, true);
  const columns = columnsOf(bytes.buffer, count);
  let key = Buffer.alloc(256);
  let at = BLOCK_HEAD + count * ENTRY_BYTES;
  for (let i = 0; i < count; i++) {
    const shared = view.getUint32(at, true);
    const rest = view.getUint32(at + 4, true);
    const size = shared + rest;
    if (size > key.length) key = Buffer.concat([key], size * 2);
    key.set(bytes.subarray(at + 8, at + 8 + rest), shared);
    at += 8 + rest;
    if (select.length > 0 && !select.some((each) => isSelectedKey(each, key, 0, size))) continue;
    const entry = findOrAddEntry(index, key, 0, size);
    for (const name of INDEX_COLUMNS) index[name][entry] = columns[name][i] as number;
    if (!labelled) index.label[entry] = 0;
  }
  return true;
}

function sharedBytes(a: Uint8Array, b: Uint8Array): number {
  const most = Math.min(a.length, b.length);
  let shared = 0;
  while (shared < most && a[shared] === b[shared]) shared++;
  return shared;
}

function startsWith(bytes: Uint8Array, start: Uint8Array): boolean {
  return bytes.length >= start.length && compareBytes(bytes.subarray(0, start.length), start) === 0;
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}
