/**
 * Walks the B+tree of a bucket down to, but not into, its leaves. Leaves are most of a file: they are found here by
 * their ids alone and read later in file order (`sweep.ts`), which turns a million small reads into large ones and lets
 * several threads share them.
 */
import type { Finding } from "../errors/errors.ts";
import { type BoltFile, isTreePage, readPage, wrongType } from "./bolt.ts";
import {
  branchChild,
  branchKey,
  checkBranch,
  checkLeaf,
  compareBytes,
  compareRanges,
  elementAt,
  type Page,
  PageFlag,
} from "./page.ts";
import { addPage, type PageSet } from "./page-set.ts";

export type Report = (finding: Finding) => void;

/** bbolt's trees are a handful of levels deep; a deeper one is damage. */
const MAX_DEPTH = 64;

const NO_BYTES = new Uint8Array();

/**
 * Leaf page ids in key order, each with the lowest key it may hold. In memory that threads share: each copy of the list
 * of a large file would take hundreds of megabytes.
 */
export interface LeafList {
  count: number;
  ids: Uint32Array;
  /**
   * Whether a sweep compares the keys of leaves with those that their parents name. Without these, the separators, a
   * list takes a seventh.
   */
  readonly comparesKeys: boolean;
  /** All separators, one after the other. */
  separators: Uint8Array;
  /** Where separator `i` ends in `separators`. */
  separatorEnds: Float64Array;
}

/** A revision. */
const SEPARATOR_BYTES = 17;
const LEAST_RESERVED = 1024;
const MOST_RESERVED = 1 << 23;

/** `most`: how many leaves there may be. What is reserved and never used takes no memory; what grows is copied. */
export function createLeafList(most = 0, comparesKeys = true): LeafList {
  const reserved = Math.max(LEAST_RESERVED, Math.min(most, MOST_RESERVED));
  const compared = comparesKeys ? reserved : 0;
  return {
    count: 0,
    ids: new Uint32Array(new SharedArrayBuffer(reserved * 4)),
    comparesKeys,
    separators: new Uint8Array(new SharedArrayBuffer(compared * SEPARATOR_BYTES)),
    separatorEnds: new Float64Array(new SharedArrayBuffer(compared * 8)),
  };
}

/** Appends a leaf; its separator is `bytes[from, to)`. */
function push(list: LeafList, id: number, bytes: Uint8Array, from: number, to: number): void {
  const { count } = list;
  if (count === list.ids.length) list.ids = grown(list.ids, new Uint32Array(new SharedArrayBuffer(count * 2 * 4)));
  list.ids[count] = id;
  if (list.comparesKeys) pushSeparator(list, bytes, from, to);
  list.count += 1;
}

function pushSeparator(list: LeafList, bytes: Uint8Array, from: number, to: number): void {
  const { count } = list;
  const start = count === 0 ? 0 : list.separatorEnds[count - 1]!;
  const end = start + (to - from);
  if (count === list.separatorEnds.length)
    list.separatorEnds = grown(list.separatorEnds, new Float64Array(new SharedArrayBuffer(count * 2 * 8)));
  if (end > list.separators.length)
    list.separators = grown(list.separators, new Uint8Array(new SharedArrayBuffer(end * 2)));
  for (let i = from; i < to; i++) list.separators[start + i - from] = bytes[i]!;
  list.separatorEnds[count] = end;
}

function grown<T extends { set(from: T): void }>(from: T, to: T): T {
  to.set(from);
  return to;
}

/**
 * Appends the leaves below page `root` to `list`. Branch pages are marked in `seen`; a page that was seen before (a
 * cycle, or two parents) is reported and not entered again. Damage below a branch costs that subtree and nothing else.
 */
export function collectLeaves(
  bolt: BoltFile,
  root: number,
  bucket: string,
  list: LeafList,
  seen: PageSet,
  report: Report,
): void {
  const levels = branchLevels(bolt, root);
  if (levels === 0) {
    push(list, root, NO_BYTES, 0, 0);
    return;
  }
  const stack: { id: number; parent: number; level: number; separator: Uint8Array; bound: Uint8Array | undefined }[] = [
    { id: root, parent: 0, level: 1, separator: NO_BYTES, bound: undefined },
  ];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { id, parent, level, separator, bound } = next;
    const where = (page: number) =>
      parent === 0
        ? `page ${page} · root of bucket "${bucket}"`
        : `page ${page} · child of page ${parent} · bucket "${bucket}"`;
    const result = readPage(bolt, id);
    if ("fault" in result) {
      report({ level: "error", code: result.code, where: where(id), text: result.fault });
      continue;
    }
    const { page, flags, overflow } = result;
    if (flags === PageFlag.leaf) {
      report({ level: "error", code: "tree-depth", where: where(id), text: "a leaf at the depth of a branch" });
      push(list, id, separator, 0, separator.length);
      continue;
    }
    if (!isTreePage(flags)) {
      report({ level: "error", code: "page-flags", where: where(id), text: wrongType(id, flags) });
      continue;
    }
    if (!mark(seen, id, overflow, () => where(id), report)) continue;
    const fault = checkBranch(page);
    if (fault !== undefined) {
      report({
        level: "error",
        code: fault.code,
        where: `page ${id} · bucket "${bucket}" · item ${fault.item}`,
        text: fault.text,
      });
      if (fault.code === "page-out-of-bounds") continue;
    }
    checkBranchRange(page, separator, bound, () => `page ${id} · bucket "${bucket}"`, report);
    if (level === levels) {
      pushChildren(list, page);
      continue;
    }
    for (let i = page.count - 1; i >= 0; i--) {
      stack.push({
        id: branchChild(page, i),
        parent: id,
        level: level + 1,
        separator: branchKey(page, i),
        bound: i + 1 < page.count ? branchKey(page, i + 1) : bound,
      });
    }
  }
}

/** The children of a branch above leaves: hundreds of thousands in a large file, so without a view or an object for each. */
function pushChildren(list: LeafList, page: Page): void {
  for (let i = 0; i < page.count; i++) {
    const at = elementAt(page, i);
    const from = at + page.view.getUint32(at, true);
    push(list, branchChild(page, i), page.bytes, from, from + page.view.getUint32(at + 4, true));
  }
}

/** Marks a page and its overflow as reached. False where one was reached before: its content is then not read a second time. */
export function mark(seen: PageSet, id: number, overflow: number, where: () => string, report: Report): boolean {
  for (let i = 0; i <= overflow; i++) {
    if (!addPage(seen, id + i)) {
      report({
        level: "error",
        code: "page-double-referenced",
        where: where(),
        text: `page ${id + i} is referenced more than once, or by itself`,
      });
      return false;
    }
  }
  return true;
}

/** Reports a first or last key of a branch that lies outside what its parent promises. */
function checkBranchRange(
  page: Page,
  low: Uint8Array,
  high: Uint8Array | undefined,
  where: () => string,
  report: Report,
): void {
  if (compareBytes(branchKey(page, 0), low) < 0) report(belowParent(where()));
  if (high !== undefined && compareBytes(branchKey(page, page.count - 1), high) >= 0) report(aboveParent(where()));
}

function belowParent(where: string): Finding {
  return { level: "error", code: "key-order", where, text: "its first key is below the one its parent names" };
}

function aboveParent(where: string): Finding {
  return { level: "error", code: "key-order", where, text: "its last key is not below its parent's next key" };
}

/**
 * Reports what is wrong inside the leaf at `position` of a list: elements out of bounds, keys out of order or outside
 * what the parent promises. False where its keys and values must not be looked at.
 */
export function checkLeafPage(
  page: Page,
  list: LeafList,
  position: number,
  isLast: boolean,
  where: () => string,
  report: Report,
): boolean {
  const fault = checkLeaf(page);
  if (fault !== undefined) {
    report({ level: "error", code: fault.code, where: `${where()} · item ${fault.item}`, text: fault.text });
    if (fault.code === "page-out-of-bounds") return false;
  }
  if (page.count === 0 || !list.comparesKeys) return true;
  const { separators, separatorEnds } = list;
  const low = position === 0 ? 0 : separatorEnds[position - 1]!;
  const high = separatorEnds[position]!;
  const first = elementAt(page, 0);
  const firstKey = first + page.view.getUint32(first + 4, true);
  const firstEnd = firstKey + page.view.getUint32(first + 8, true);
  if (compareRanges(page.bytes, firstKey, firstEnd, separators, low, high) < 0) report(belowParent(where()));
  if (isLast) return true;
  const last = elementAt(page, page.count - 1);
  const lastKey = last + page.view.getUint32(last + 4, true);
  const lastEnd = lastKey + page.view.getUint32(last + 8, true);
  const next = separatorEnds[position + 1]!;
  // An empty separator is no bound: it is the first of another bucket's leaves, or of a damaged list.
  if (next > high && compareRanges(page.bytes, lastKey, lastEnd, separators, high, next) >= 0)
    report(aboveParent(where()));
  return true;
}

/** How many levels of branch pages stand above the leaves, by the leftmost path: all leaves of a bbolt tree are equally deep. */
function branchLevels(bolt: BoltFile, root: number): number {
  let id = root;
  for (let level = 0; level < MAX_DEPTH; level++) {
    const result = readPage(bolt, id);
    if ("fault" in result || result.flags !== PageFlag.branch || result.page.count === 0) return level;
    if (elementAt(result.page, 1) > result.page.end) return level;
    id = branchChild(result.page, 0);
  }
  return MAX_DEPTH;
}
