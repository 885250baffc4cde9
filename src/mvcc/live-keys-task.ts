/**
 * Counts the live keys of a keyspace exactly, without an index of them: each version of a key is noted by the key's
 * fingerprint, in the order in which versions are found, and put in order once, when all are there. The versions that
 * share a fingerprint must follow one another as etcd writes them; where they do not, they may be of two keys or
 * damaged, and who asked is to count with an index.
 */
import { defined } from "../errors/defined.ts";
import { createFingerprint, type FingerprintSeeds, fingerprintSeeds } from "./key-fingerprint.ts";
import { grown } from "./key-table.ts";
import type { RevisionVisitor } from "./leaf-revisions.ts";

export interface LiveKeysSpec {
  readonly seeds: FingerprintSeeds;
}

export function liveKeysSpec(): LiveKeysSpec {
  return { seeds: fingerprintSeeds() };
}

/** Versions of keys, in any order, as columns of 32 bytes in all. */
export interface KeyVersions {
  count: number;
  /** The two words of the key's fingerprint. */
  first: Uint32Array;
  second: Uint32Array;
  main: Float64Array;
  sub: Uint32Array;
  /** The revision that made the key; 0 for a deletion. */
  create: Float64Array;
  /** {@link DELETION}, or the version. */
  version: Uint32Array;
  /** The newest revision among all entries. */
  lastRevision: number;
  /** Whether a number was too large for its column. */
  isBeyond: boolean;
}

const DELETION = 0xffff_ffff;
const MOST_RESERVED = 1 << 20;

export interface LiveKeysTask {
  readonly visit: RevisionVisitor;
  finish(): KeyVersions;
}

/** `expected`: about how many versions there will be. */
export function createLiveKeysTask({ seeds }: LiveKeysSpec, expected = 0): LiveKeysTask {
  const versions = createVersions(Math.max(1024, Math.min(expected, MOST_RESERVED)));
  const { found, take } = createFingerprint(seeds);
  const visit: RevisionVisitor = ({ page, main, sub, tombstone, fields }) => {
    if (main > versions.lastRevision) versions.lastRevision = main;
    if (fields.keyStart === fields.keyEnd) return; // a bare revision
    const row = versions.count;
    if (row === versions.first.length) resize(versions, row * 2);
    versions.count += 1;
    take(page.view, fields.keyStart, fields.keyEnd);
    versions.first[row] = found.first;
    versions.second[row] = found.second;
    versions.main[row] = main;
    versions.sub[row] = sub;
    versions.create[row] = fields.createRevision;
    versions.version[row] = tombstone ? DELETION : fields.version;
    if (sub > 0xffff_ffff || fields.version >= DELETION) versions.isBeyond = true;
  };
  return { visit, finish: () => versions };
}

/** Joins what several threads found. */
export function mergeKeyVersions(parts: readonly KeyVersions[]): KeyVersions {
  const [only, second] = parts;
  if (only !== undefined && second === undefined) return only;
  const all = createVersions(parts.reduce((sum, { count }) => sum + count, 0));
  for (const part of parts) {
    for (const name of COLUMNS) all[name].set(part[name].subarray(0, part.count), all.count);
    all.count += part.count;
    all.lastRevision = Math.max(all.lastRevision, part.lastRevision);
    all.isBeyond ||= part.isBeyond;
  }
  return all;
}

export interface LiveKeys {
  readonly count: number;
  /** Whether the newest version of a key is there and no deletion. */
  has(key: Uint8Array): boolean;
}

/** Undefined where versions do not follow one another. */
export function liveKeysOf(versions: KeyVersions, { seeds }: LiveKeysSpec): LiveKeys | undefined {
  if (versions.isBeyond) return undefined;
  const { count, first, second, version } = versions;
  const order = orderByFirst(versions);
  let live = 0;
  for (let from = 0; from < count; ) {
    const word = first[order[from]!]!;
    let to = from + 1;
    while (to < count && first[order[to]!] === word) to++;
    if (to - from > 1) sortRun(versions, order.subarray(from, to));
    for (let at = from; at < to; at++) {
      const row = order[at]!;
      const isFirst = at === from || second[order[at - 1]!] !== second[row];
      if (!isFirst && !follows(versions, order[at - 1]!, row)) return undefined;
      const isLast = at + 1 === to || second[order[at + 1]!] !== second[row];
      if (isLast && version[row] !== DELETION) live += 1;
    }
    from = to;
  }
  const { found, take } = createFingerprint(seeds);
  return {
    count: live,
    has(key) {
      take(new DataView(key.buffer, key.byteOffset, key.byteLength), 0, key.length);
      let newest: number | undefined;
      for (let at = lowerBound(first, order, found.first); at < count && first[order[at]!] === found.first; at++)
        if (second[order[at]!] === found.second) newest = order[at]!;
      return newest !== undefined && version[newest] !== DELETION;
    },
  };
}

/** Whether `row` can be the version after `before`: one more, the first after a deletion, or the deletion. */
function follows({ version, create }: KeyVersions, before: number, row: number): boolean {
  const wasDeleted = version[before] === DELETION;
  if (version[row] === DELETION) return !wasDeleted;
  if (version[row] === 1) return wasDeleted;
  return !wasDeleted && version[row] === version[before]! + 1 && create[row] === create[before];
}

/** By the second word, and the versions of one key by their revision. */
function sortRun({ second, main, sub }: KeyVersions, run: Uint32Array): void {
  run.sort((a, b) => second[a]! - second[b]! || main[a]! - main[b]! || sub[a]! - sub[b]!);
}

/**
 * The rows by their first word: a radix sort, sixteen bits a pass. Each loop is a function of its own, which V8 compiles
 * once.
 */
function orderByFirst({ count, first }: KeyVersions): Uint32Array {
  const order = placeByDigit(first, allRows(count), 0);
  return placeByDigit(first, order, 16);
}

function allRows(count: number): Uint32Array {
  const rows = new Uint32Array(count);
  for (let row = 0; row < count; row++) rows[row] = row;
  return rows;
}

function placeByDigit(words: Uint32Array, order: Uint32Array, shift: number): Uint32Array {
  const starts = digitStarts(words, order.length, shift);
  const placed = new Uint32Array(order.length);
  for (let at = 0; at < order.length; at++) {
    const row = order[at]!;
    const digit = (words[row]! >>> shift) & 0xffff;
    placed[starts[digit]!] = row;
    starts[digit]! += 1;
  }
  return placed;
}

/** How many of the words have a smaller digit, for each digit. */
function digitStarts(words: Uint32Array, count: number, shift: number): Uint32Array {
  const starts = new Uint32Array(0x10001);
  for (let row = 0; row < count; row++) starts[((words[row]! >>> shift) & 0xffff) + 1]! += 1;
  for (let digit = 1; digit < starts.length; digit++) starts[digit]! += starts[digit - 1]!;
  return starts;
}

function lowerBound(first: Uint32Array, order: Uint32Array, word: number): number {
  let from = 0;
  let to = order.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (defined(first[defined(order[middle])]) < word) from = middle + 1;
    else to = middle;
  }
  return from;
}

const COLUMNS = [
  "first",
  "second",
  "main",
  "sub",
  "create",
  "version",
] as const satisfies readonly (keyof KeyVersions)[];

function createVersions(capacity: number): KeyVersions {
  return {
    count: 0,
    first: new Uint32Array(capacity),
    second: new Uint32Array(capacity),
    main: new Float64Array(capacity),
    sub: new Uint32Array(capacity),
    create: new Float64Array(capacity),
    version: new Uint32Array(capacity),
    lastRevision: 0,
    isBeyond: false,
  };
}

function resize(versions: KeyVersions, size: number): void {
  versions.first = grown(versions.first, new Uint32Array(size));
  versions.second = grown(versions.second, new Uint32Array(size));
  versions.main = grown(versions.main, new Float64Array(size));
  versions.sub = grown(versions.sub, new Uint32Array(size));
  versions.create = grown(versions.create, new Float64Array(size));
  versions.version = grown(versions.version, new Uint32Array(size));
}
