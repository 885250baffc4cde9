/**
 * Fills a {@link KeyIndex} from the leaves of the `key` bucket, in any order. Several threads each fill one; {@link
 * mergeIndexResults} joins them.
 */
import { compareRanges } from "../bolt/page.ts";
import { defined } from "../errors/defined.ts";
import {
  createKeyIndex,
  findOrAddEntry,
  freeIndex,
  INDEX_COLUMNS,
  isNewer,
  type KeyIndex,
  mergeIndex,
} from "./key-index.ts";
import { keyStart } from "./key-table.ts";
import type { RevisionEntry, RevisionVisitor } from "./leaf-revisions.ts";

/** Which keys: those that begin with `prefix`, or, where `exact`, that one. */
export interface KeySelection {
  readonly prefix: Uint8Array;
  readonly exact: boolean;
}

/** Keys from `from` on, and below `to` where there is one. */
export interface KeyBounds {
  readonly from: Uint8Array;
  readonly to?: Uint8Array;
}

export interface IndexOptions {
  /** None for every key. */
  readonly select: readonly KeySelection[];
  /** Of these, the keys within bounds; all unless given. */
  readonly bounds?: KeyBounds;
  /** Only versions up to this revision count. */
  readonly atRevision?: number;
  readonly seed: number;
}

export interface IndexResult {
  readonly index: KeyIndex;
  /** The newest revision among all entries, selected or not. */
  readonly lastRevision: number;
  /** What the labels of the index stand for; label n is `labels[n - 1]`. */
  readonly labels: readonly string[];
}

export interface IndexTask {
  readonly visit: RevisionVisitor;
  finish(): IndexResult;
}

/** Names the value of an entry, such as with its kind; called for entries that are the newest of their key so far. */
export type Labeller = (bytes: Uint8Array, start: number, end: number) => string;

/** Says whether an entry is taken into the index; called for each that is within the other limits. */
export type EntryChooser = (entry: RevisionEntry) => boolean;

/** `expected`: about how many keys there will be. */
export function createIndexTask(
  options: IndexOptions,
  expected = 0,
  labeller?: Labeller,
  choose?: EntryChooser,
): IndexTask {
  const { select, bounds, atRevision = Number.MAX_SAFE_INTEGER } = options;
  const index = createKeyIndex(options.seed, select.length === 0 && choose === undefined ? expected : 0);
  const labels = createLabels();
  let lastRevision = 0;
  const visit: RevisionVisitor = (entry) => {
    if (entry.main > lastRevision) lastRevision = entry.main;
    if (entry.main > atRevision) return;
    if (select.length > 0 && !select.some((selection) => isSelected(selection, entry))) return;
    const { bytes } = entry.page;
    const { keyStart, keyEnd, valueStart, valueEnd } = entry.fields;
    if (keyStart === keyEnd) return; // a bare revision
    if (bounds !== undefined && !isWithin(bounds, bytes, keyStart, keyEnd)) return;
    if (choose !== undefined && !choose(entry)) return;
    const i = findOrAddEntry(index, bytes, keyStart, keyEnd);
    if (isNewer(index, i, entry.main, entry.sub)) {
      index.main[i] = entry.main;
      index.sub[i] = entry.sub;
      index.tombstone[i] = entry.tombstone ? 1 : 0;
      index.page[i] = entry.page.id;
      index.item[i] = entry.item;
      index.valueSize[i] = valueEnd - valueStart;
      if (labeller !== undefined && !entry.tombstone)
        index.label[i] = labels.number(labeller(bytes, valueStart, valueEnd));
    } else if (labeller !== undefined && index.label[i] === 0 && !entry.tombstone) {
      index.label[i] = labels.number(labeller(bytes, valueStart, valueEnd));
    }
    index.versions[i]! += 1;
    index.bytes[i]! += keyEnd - keyStart + (valueEnd - valueStart);
  };
  return { visit, finish: () => ({ index, lastRevision, labels: labels.names }) };
}

/** The entries of an index of all keys that are selected, and their labels if `labelled`: what a sweep for them finds. */
export function selectEntries(all: IndexResult, select: readonly KeySelection[], labelled: boolean): IndexResult {
  const { index: from, lastRevision } = all;
  const labels = labelled ? all.labels : [];
  if (select.length === 0 && labelled) return all;
  const index = createKeyIndex(from.seed, select.length === 0 ? from.count : 0);
  for (let i = 0; i < from.count; i++) {
    const [start, end] = [keyStart(from, i), defined(from.keyEnds[i])];
    if (select.length > 0 && !select.some((each) => isSelectedKey(each, from.keys, start, end))) continue;
    const entry = findOrAddEntry(index, from.keys, start, end);
    for (const name of INDEX_COLUMNS) index[name][entry] = from[name][i]!;
    if (!labelled) index.label[entry] = 0;
  }
  return { index, lastRevision, labels };
}

/** Joins what several threads found. The first one's index is filled up and returned, the others are freed. */
export function mergeIndexResults(results: readonly IndexResult[]): IndexResult {
  const [first, ...others] = results;
  if (first === undefined) throw new RangeError("no results to merge");
  const labels = createLabels(first.labels);
  let lastRevision = first.lastRevision;
  for (const other of others) {
    mergeIndex(first.index, other.index, (label) =>
      label === 0 ? 0 : labels.number(defined(other.labels[label - 1])),
    );
    lastRevision = Math.max(lastRevision, other.lastRevision);
    freeIndex(other.index);
  }
  return { index: first.index, lastRevision, labels: labels.names };
}

/** Labels are 16 bits wide; what does not fit, in a hostile file, shares the last one. */
const MOST_LABELS = 0xfffe;

function createLabels(names: readonly string[] = []): { readonly names: string[]; number(name: string): number } {
  const all = [...names];
  const numbers = new Map(all.map((name, i) => [name, i + 1]));
  return {
    names: all,
    number(name) {
      const known = numbers.get(name);
      if (known !== undefined) return known;
      if (all.length === MOST_LABELS) all.push("other");
      if (all.length > MOST_LABELS) return all.length;
      all.push(name);
      numbers.set(name, all.length);
      return all.length;
    },
  };
}

function isWithin({ from, to }: KeyBounds, bytes: Uint8Array, start: number, end: number): boolean {
  if (compareRanges(bytes, start, end, from, 0, from.length) < 0) return false;
  return to === undefined || compareRanges(bytes, start, end, to, 0, to.length) < 0;
}

function isSelected(selection: KeySelection, entry: RevisionEntry): boolean {
  const { keyStart, keyEnd } = entry.fields;
  return isSelectedKey(selection, entry.page.bytes, keyStart, keyEnd);
}

/** Whether the key `bytes[keyStart, keyEnd)` is selected. */
export function isSelectedKey(
  { prefix, exact }: KeySelection,
  bytes: Uint8Array,
  keyStart: number,
  keyEnd: number,
): boolean {
  const size = keyEnd - keyStart;
  if (size < prefix.length || (exact && size !== prefix.length)) return false;
  for (let i = prefix.length - 1; i >= 0; i--) if (bytes[keyStart + i] !== prefix[i]) return false;
  return true;
}
