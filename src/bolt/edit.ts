/**
 * Changes small parts of a large bbolt file the way bbolt itself does: new pages behind the last one in use, then both metas. Pages that
 * nothing points to any more become free when a program opens the file and rebuilds its freelist, as etcd does.
 */
import { defined } from "../errors/defined.ts";
import { type Finding, invariant, MendError } from "../errors/errors.ts";
import type { BoltFile } from "./bolt.ts";
import { readPage } from "./bolt.ts";
import { type Bucket, decodeBucket, readEntries } from "./bucket.ts";
import { encodeMeta } from "./meta.ts";
import {
  BUCKET_ELEMENT,
  BUCKET_HEADER_SIZE,
  branchChild,
  branchKey,
  checkBranch,
  checkLeaf,
  compareBytes,
  ELEMENT_SIZE,
  encodeBranchElement,
  encodePageHeader,
  leafKey,
  PAGE_HEADER_SIZE,
  type Page,
  PageFlag,
} from "./page.ts";
import { type ByteSink, createPageOutput, type PageOutput } from "./page-output.ts";
import { type Child, createTreeWriter, type TreeWriter } from "./tree-writer.ts";

export type KeyAndValue = readonly [key: Uint8Array, value: Uint8Array];

export type BucketEdit =
  /** All that the bucket holds from now on, in ascending order. A bucket that is not there is created. */
  | { readonly replace: readonly KeyAndValue[] }
  /** One more key, above all that the bucket holds. */
  | { readonly append: KeyAndValue }
  /** The page of a tree that {@link resumeBucket} wrote. */
  | { readonly root: number };

const FILL_PERCENT = 0.5;
/** For keys that nothing is inserted between later. */
const BULK_FILL_PERCENT = 0.9;
const MAX_DEPTH = 64;

/**
 * Applies edits to buckets at the root, by name. `sink` writes to the file that `bolt` reads. Returns the size that the
 * file has to be given afterwards. Throws `snapshot-damaged` where the pages on the way are not sound.
 */
export function editBolt(bolt: BoltFile, sink: ByteSink, edits: ReadonlyMap<string, BucketEdit>): number {
  return editFrom(bolt, sink, edits, createPageOutput(sink, bolt.meta.pageSize, bolt.meta.highWater));
}

/** Any number of keys behind those that a bucket holds. */
export interface ResumedBucket {
  /** A key above all before it. The bytes may be reused after the call. */
  put(key: Uint8Array, value: Uint8Array): void;
  /** Applies these edits too, and returns the size that the file has to be given. */
  finish(edits: ReadonlyMap<string, BucketEdit>): number;
}

/** Goes on with a bucket at the root, as {@link editBolt} does: its pages but the branches on the way to its end stay where they are. */
export function resumeBucket(bolt: BoltFile, sink: ByteSink, name: string): ResumedBucket {
  const output = createPageOutput(sink, bolt.meta.pageSize, bolt.meta.highWater);
  const bucket = findBucket(bolt, name);
  const { tree, lastKey } = resumeTree(bolt, output, bucket);
  let isFirst = true;
  return {
    put(key, value) {
      const isAbove = !isFirst || lastKey === undefined || compareBytes(lastKey, key) < 0;
      invariant(isAbove, "appended keys are above all others");
      isFirst = false;
      tree.add(0, key, value);
    },
    finish(edits) {
      if (isFirst) return editFrom(bolt, sink, edits, output);
      return editFrom(bolt, sink, new Map([...edits, [name, { root: tree.finish() }]]), output);
    },
  };
}

function editFrom(bolt: BoltFile, sink: ByteSink, edits: ReadonlyMap<string, BucketEdit>, output: PageOutput): number {
  const { pageSize, transaction, rootSequence } = bolt.meta;
  const root = createTreeWriter(output, pageSize, FILL_PERCENT);
  const pending = new Map([...edits].sort(([a], [b]) => compareBytes(Buffer.from(a), Buffer.from(b))));

  const addBucket = (name: Uint8Array, value: Uint8Array): void => root.add(BUCKET_ELEMENT, name, value);
  const addNewBuckets = (before: Uint8Array | undefined): void => {
    for (const [name, edit] of pending) {
      const bytes = Buffer.from(name);
      if (before !== undefined && compareBytes(bytes, before) >= 0) break;
      pending.delete(name);
      addBucket(bytes, edited(bolt, output, undefined, edit));
    }
  };
  for (const entry of readEntries(bolt, rootBucket(bolt), refuse)) {
    addNewBuckets(entry.key);
    const name = Buffer.from(entry.key).toString();
    const edit = pending.get(name);
    pending.delete(name);
    if (edit === undefined) {
      root.add(entry.isBucket ? BUCKET_ELEMENT : 0, entry.key, entry.value);
      continue;
    }
    const bucket = decodeBucket(entry.page, entry.index, "", refuse);
    invariant(bucket !== undefined, "a damaged bucket was refused");
    addBucket(entry.key, edited(bolt, output, bucket, edit));
  }
  addNewBuckets(undefined);

  const rootPage = root.finish();
  output.flush();
  const meta = {
    pageSize,
    flags: bolt.meta.flags,
    root: rootPage,
    rootSequence,
    freelist: undefined,
    highWater: output.nextPage,
  };
  // Even transactions belong on page 0, odd ones on page 1; the higher one counts.
  const even = transaction + 1 + ((transaction + 1) % 2);
  for (const page of [0, 1] as const) {
    sink.write(encodeMeta(page, { ...meta, transaction: even + page }), page * pageSize);
  }
  return output.nextPage * pageSize;
}

/** The entries of a bucket at the root, copied; undefined where there is no such bucket. For small buckets. */
export function readSmallBucket(bolt: BoltFile, name: string): KeyAndValue[] | undefined {
  for (const entry of readEntries(bolt, rootBucket(bolt), refuse)) {
    if (Buffer.from(entry.key).toString() !== name) continue;
    const bucket = decodeBucket(entry.page, entry.index, "", refuse);
    invariant(bucket !== undefined, "a damaged bucket was refused");
    return Array.from(readEntries(bolt, bucket, refuse), ({ key, value }) => [key.slice(), value.slice()] as const);
  }
  return undefined;
}

function findBucket(bolt: BoltFile, name: string): Bucket | undefined {
  for (const entry of readEntries(bolt, rootBucket(bolt), refuse)) {
    if (Buffer.from(entry.key).toString() !== name) continue;
    const bucket = decodeBucket(entry.page, entry.index, "", refuse);
    invariant(bucket !== undefined, "a damaged bucket was refused");
    return bucket;
  }
  return undefined;
}

/** The highest key of a bucket at the root, found without reading the others. Undefined where it is empty or missing. */
export function readLastKey(bolt: BoltFile, name: string): Uint8Array | undefined {
  for (const entry of readEntries(bolt, rootBucket(bolt), refuse)) {
    if (Buffer.from(entry.key).toString() !== name) continue;
    const bucket = decodeBucket(entry.page, entry.index, "", refuse);
    invariant(bucket !== undefined, "a damaged bucket was refused");
    const leaf = typeof bucket.root === "number" ? defined(rightmostPath(bolt, bucket.root).at(-1)) : bucket.root;
    return leaf.count === 0 ? undefined : leafKey(leaf, leaf.count - 1).slice();
  }
  return undefined;
}

/** A bucket's value in its parent's leaf after an edit. */
function edited(bolt: BoltFile, output: PageOutput, bucket: Bucket | undefined, edit: BucketEdit): Uint8Array {
  if ("append" in edit && bucket !== undefined && typeof bucket.root === "number") {
    return bucketHeader(appended(bolt, output, bucket.root, edit.append), bucket.sequence);
  }
  if ("root" in edit) return bucketHeader(edit.root, bucket?.sequence ?? 0);
  const entries = [...("replace" in edit ? edit.replace : [])];
  if ("append" in edit) {
    if (bucket !== undefined)
      for (const { key, value } of readEntries(bolt, bucket, refuse)) entries.push([key, value]);
    entries.push(edit.append);
  }
  const tree = createTreeWriter(output, bolt.meta.pageSize, FILL_PERCENT);
  for (const [key, value] of entries) tree.add(0, key, value);
  const inline = tree.inline();
  if (inline === undefined) return bucketHeader(tree.finish(), bucket?.sequence ?? 0);
  new DataView(inline.buffer).setBigUint64(8, BigInt(bucket?.sequence ?? 0), true);
  return inline;
}

function bucketHeader(rootPage: number, sequence: number): Uint8Array {
  const value = new Uint8Array(BUCKET_HEADER_SIZE);
  const view = new DataView(value.buffer);
  view.setBigUint64(0, BigInt(rootPage), true);
  view.setBigUint64(8, BigInt(sequence), true);
  return value;
}

/** Writes a leaf with one key and the branches above it again, and returns the new root. */
function appended(bolt: BoltFile, output: PageOutput, rootPage: number, [key, value]: KeyAndValue): number {
  const path = rightmostPath(bolt, rootPage);
  const lastLeaf = defined(path.pop());
  invariant(
    lastLeaf.count === 0 || compareBytes(leafKey(lastLeaf, lastLeaf.count - 1), key) < 0,
    "an appended key is above all others",
  );
  const leaf = createTreeWriter(output, bolt.meta.pageSize, FILL_PERCENT);
  leaf.add(0, key, value);
  const newLeaf = leaf.finish();
  if (lastLeaf.count === 0) return newLeaf;
  const parent = path.pop();
  const siblings: Child[] =
    parent === undefined ? [{ key: leafKey(lastLeaf, 0), page: lastLeaf.id }] : children(parent);
  let page = writeBranch(output, [...siblings, { key, page: newLeaf }]);
  for (const branch of path.reverse()) {
    const list = children(branch);
    page = writeBranch(output, [...list.slice(0, -1), { key: defined(list.at(-1)).key, page }]);
  }
  return page;
}

/** A tree that continues where a bucket's last leaf ends, and the last key that it has. */
function resumeTree(
  bolt: BoltFile,
  output: PageOutput,
  bucket: Bucket | undefined,
): { readonly tree: TreeWriter; readonly lastKey: Uint8Array | undefined } {
  const { pageSize } = bolt.meta;
  if (bucket === undefined || typeof bucket.root !== "number") {
    const tree = createTreeWriter(output, pageSize, BULK_FILL_PERCENT);
    let lastKey: Uint8Array | undefined;
    for (const { key, value } of bucket === undefined ? [] : readEntries(bolt, bucket, refuse)) {
      tree.add(0, key, value);
      lastKey = key.slice();
    }
    return { tree, lastKey };
  }
  const path = rightmostPath(bolt, bucket.root);
  const lastLeaf = defined(path.pop());
  const lastKey = lastLeaf.count === 0 ? undefined : Uint8Array.from(leafKey(lastLeaf, lastLeaf.count - 1));
  // The lowest branch keeps all its leaves; those above lose the child that is rewritten.
  const resumed = path
    .reverse()
    .map((branch, level) => (level === 0 ? children(branch) : children(branch).slice(0, -1)));
  if (resumed.length === 0 && lastKey !== undefined)
    resumed.push([{ key: Uint8Array.from(leafKey(lastLeaf, 0)), page: lastLeaf.id }]);
  return { tree: createTreeWriter(output, pageSize, BULK_FILL_PERCENT, resumed), lastKey };
}

function children(branch: Page): Child[] {
  return Array.from({ length: branch.count }, (_, i) => ({
    key: Uint8Array.from(branchKey(branch, i)),
    page: branchChild(branch, i),
  }));
}

function writeBranch(output: PageOutput, list: readonly Child[]): number {
  const keys = list.reduce((sum, child) => sum + child.key.length, 0);
  const { id, overflow, page } = output.allocate(PAGE_HEADER_SIZE + list.length * ELEMENT_SIZE + keys);
  const view = new DataView(page.buffer, page.byteOffset, page.byteLength);
  encodePageHeader(view, 0, { id, flags: PageFlag.branch, count: list.length, overflow });
  let position = PAGE_HEADER_SIZE + list.length * ELEMENT_SIZE;
  list.forEach((child, i) => {
    const at = PAGE_HEADER_SIZE + i * ELEMENT_SIZE;
    encodeBranchElement(view, at, position - at, child.key.length, child.page);
    page.set(child.key, position);
    position += child.key.length;
  });
  return id;
}

/** The pages from a tree's root to its last leaf, each checked. */
function rightmostPath(bolt: BoltFile, rootPage: number): Page[] {
  const path: Page[] = [];
  for (let id = rootPage; path.length < MAX_DEPTH; ) {
    const result = readPage(bolt, id);
    if ("fault" in result) return damaged(`page ${id}`, result.fault);
    const { page, flags } = result;
    path.push(page);
    const fault = flags === PageFlag.branch ? checkBranch(page) : flags === PageFlag.leaf ? checkLeaf(page) : undefined;
    if (fault !== undefined) return damaged(`page ${id} · item ${fault.item}`, fault.text);
    if (flags === PageFlag.leaf) return path;
    if (flags !== PageFlag.branch) return damaged(`page ${id}`, `flags 0x${flags.toString(16)} are no tree page's`);
    id = branchChild(page, page.count - 1);
  }
  return damaged(`page ${rootPage}`, `the tree is deeper than ${MAX_DEPTH} levels`);
}

function rootBucket(bolt: BoltFile): Bucket {
  return { path: "", name: new Uint8Array(), sequence: bolt.meta.rootSequence, root: bolt.meta.root };
}

function refuse(finding: Finding): void {
  if (finding.level === "error") damaged(finding.where, finding.text);
}

function damaged(where: string, text: string): never {
  throw new MendError("snapshot-damaged", `the database is damaged: ${text}`, {
    where,
    hint: "run kubemend snapshot verify on it, or use another snapshot",
  });
}
