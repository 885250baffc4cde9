/**
 * One bucket's B+ tree, built bottom-up from keys in ascending order: a leaf is written as soon as it is full, and each level of branches
 * keeps only the page it is filling, so memory is a few pages a level whatever the size of the bucket.
 */
import { invariant } from "../errors/errors.ts";
import {
  BUCKET_HEADER_SIZE,
  ELEMENT_SIZE,
  encodeBranchElement,
  encodeLeafElement,
  encodePageHeader,
  MAX_KEY_SIZE,
  PAGE_HEADER_SIZE,
  PageFlag,
} from "./page.ts";
import type { PageOutput } from "./page-output.ts";

/** bbolt's limit (`bucket.go`). */
const MAX_VALUE_SIZE = 2 ** 31 - 2;
/** bbolt never splits below two keys a page: a page that cannot hold two takes overflow pages. */
const MIN_KEYS = 2;

export interface Child {
  readonly key: Uint8Array;
  readonly page: number;
}

export interface TreeWriter {
  add(flags: number, key: Uint8Array, value: Uint8Array): void;
  /** The tree as an inline page where bbolt would inline it, else undefined. Only before {@link finish}. */
  inline(): Uint8Array | undefined;
  /** Writes what is left and returns the root page. */
  finish(): number;
}

/** `resumed`: the children of branches that a tree has already, those of the lowest level first, behind which the new leaves go. */
export function createTreeWriter(
  output: PageOutput,
  pageSize: number,
  fillPercent: number,
  resumed: readonly (readonly Child[])[] = [],
): TreeWriter {
  const threshold = Math.floor(pageSize * fillPercent);
  // Elements of the leaf that is being filled: flags, key size, value size.
  const elements: number[] = [];
  let data = new Uint8Array(2 * pageSize);
  let dataUsed = 0;
  let firstKey: Uint8Array | undefined;
  let lastKey = new Uint8Array(64);
  let lastKeySize = -1;
  let hasBuckets = false;
  const levels: Child[][] = resumed.map((children) => [...children]);

  function leafSize(): number {
    return PAGE_HEADER_SIZE + (elements.length / 3) * ELEMENT_SIZE + dataUsed;
  }

  function encodeLeaf(page: Uint8Array, id: number, overflow: number): void {
    const view = new DataView(page.buffer, page.byteOffset, page.byteLength);
    const count = elements.length / 3;
    encodePageHeader(view, 0, { id, flags: PageFlag.leaf, count, overflow });
    const dataStart = PAGE_HEADER_SIZE + count * ELEMENT_SIZE;
    let position = dataStart;
    for (let i = 0; i < count; i++) {
      const at = PAGE_HEADER_SIZE + i * ELEMENT_SIZE;
      const keySize = elements[3 * i + 1]!;
      const valueSize = elements[3 * i + 2]!;
      encodeLeafElement(view, at, elements[3 * i]!, position - at, keySize, valueSize);
      position += keySize + valueSize;
    }
    page.set(data.subarray(0, dataUsed), dataStart);
  }

  function writeLeaf(): void {
    const { id, overflow, page } = output.allocate(leafSize());
    encodeLeaf(page, id, overflow);
    addChild(0, { key: firstKey ?? new Uint8Array(0), page: id });
    elements.length = 0;
    dataUsed = 0;
    firstKey = undefined;
  }

  function addChild(level: number, child: Child): void {
    if (levels.length === level) levels.push([]);
    const children = levels[level]!;
    children.push(child);
    // The last two stay, so that no branch ends up with a single child.
    const complete = children.length - MIN_KEYS;
    if (complete >= MIN_KEYS && branchSize(children, complete + 1) > threshold) {
      writeBranch(level, children.splice(0, complete));
    }
  }

  function writeBranch(level: number, children: readonly Child[]): void {
    const { id, overflow, page } = output.allocate(branchSize(children, children.length));
    const view = new DataView(page.buffer, page.byteOffset, page.byteLength);
    encodePageHeader(view, 0, { id, flags: PageFlag.branch, count: children.length, overflow });
    let position = PAGE_HEADER_SIZE + children.length * ELEMENT_SIZE;
    children.forEach((child, i) => {
      const at = PAGE_HEADER_SIZE + i * ELEMENT_SIZE;
      encodeBranchElement(view, at, position - at, child.key.length, child.page);
      page.set(child.key, position);
      position += child.key.length;
    });
    addChild(level + 1, { key: children[0]!.key, page: id });
  }

  return {
    add(flags, key, value) {
      invariant(key.length > 0 && key.length <= MAX_KEY_SIZE, `a bbolt key has 1 to ${MAX_KEY_SIZE} bytes`);
      invariant(value.length <= MAX_VALUE_SIZE, `a bbolt value has at most ${MAX_VALUE_SIZE} bytes`);
      invariant(
        lastKeySize < 0 || compare(lastKey, lastKeySize, key) < 0,
        "keys are written in ascending order, each once",
      );
      if (lastKey.length < key.length) lastKey = new Uint8Array(key.length * 2);
      lastKey.set(key);
      lastKeySize = key.length;
      const size = key.length + value.length;
      if (elements.length / 3 >= MIN_KEYS && leafSize() + ELEMENT_SIZE + size > threshold) writeLeaf();
      if (dataUsed + size > data.length) {
        const grown = new Uint8Array(Math.max(2 * data.length, dataUsed + size));
        grown.set(data.subarray(0, dataUsed));
        data = grown;
      }
      firstKey ??= key.slice();
      data.set(key, dataUsed);
      data.set(value, dataUsed + key.length);
      dataUsed += size;
      elements.push(flags, key.length, value.length);
      if (flags !== 0) hasBuckets = true;
    },
    inline() {
      if (levels.length > 0 || hasBuckets || leafSize() > pageSize / 4) return undefined;
      const page = new Uint8Array(BUCKET_HEADER_SIZE + leafSize());
      encodeLeaf(page.subarray(BUCKET_HEADER_SIZE), 0, 0);
      return page;
    },
    finish() {
      if (elements.length > 0 || levels.length === 0) writeLeaf();
      for (let level = 0; ; level++) {
        const children = levels[level]!;
        if (level === levels.length - 1 && children.length === 1) return children[0]!.page;
        writeBranch(level, children.splice(0));
      }
    },
  };
}

function branchSize(children: readonly Child[], count: number): number {
  let size = PAGE_HEADER_SIZE + count * ELEMENT_SIZE;
  for (let i = 0; i < count; i++) size += children[i]!.key.length;
  return size;
}

function compare(a: Uint8Array, aSize: number, b: Uint8Array): number {
  const shared = Math.min(aSize, b.length);
  for (let i = 0; i < shared; i++) {
    const difference = a[i]! - b[i]!;
    if (difference !== 0) return difference;
  }
  return aSize - b.length;
}
