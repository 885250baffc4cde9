/**
 * Buckets: a leaf element whose flag says so holds a bucket header, `root pgid u64, sequence u64`; a root of 0 means that the bucket is
 * inline, its only page following the header inside the value.
 */
import { defined } from "../errors/defined.ts";
import type { BoltFile } from "./bolt.ts";
import { readPage } from "./bolt.ts";
import {
  BUCKET_ELEMENT,
  BUCKET_HEADER_SIZE,
  checkLeaf,
  decodePageHeader,
  leafFlags,
  leafKey,
  leafValue,
  makePage,
  PAGE_HEADER_SIZE,
  type Page,
  PageFlag,
  readU64,
} from "./page.ts";
import { createPageSet, type PageSet } from "./page-set.ts";
import { checkLeafPage, collectLeaves, createLeafList, mark, type Report } from "./tree.ts";

export interface Bucket {
  /** Names from the root down, joined with "/" where buckets are nested. */
  readonly path: string;
  readonly name: Uint8Array;
  readonly sequence: number;
  /** The page id of its root, or the page itself where it is inline. */
  readonly root: number | Page;
}

/** Decodes the bucket that leaf element `index` holds, or reports why it cannot be. */
export function decodeBucket(page: Page, index: number, parentPath: string, report: Report): Bucket | undefined {
  const name = leafKey(page, index).slice();
  const value = leafValue(page, index).slice();
  const text = new TextDecoder().decode(name);
  const path = parentPath === "" ? text : `${parentPath}/${text}`;
  const where = `page ${page.id} item ${index} · bucket "${path}"`;
  if (value.length < BUCKET_HEADER_SIZE) {
    report({
      level: "error",
      code: "bucket-invalid",
      where,
      text: `its header is ${value.length} bytes instead of ${BUCKET_HEADER_SIZE}`,
    });
    return undefined;
  }
  const view = new DataView(value.buffer);
  const root = readU64(view, 0);
  const sequence = readU64(view, 8);
  if (root !== 0) return { path, name, sequence, root };
  const inline = decodeInlinePage(value);
  if (typeof inline === "string") {
    report({ level: "error", code: "bucket-invalid", where, text: inline });
    return undefined;
  }
  return { path, name, sequence, root: inline };
}

function decodeInlinePage(value: Uint8Array): Page | string {
  if (value.length < BUCKET_HEADER_SIZE + PAGE_HEADER_SIZE) return "its inline page is cut off";
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const header = decodePageHeader(view, BUCKET_HEADER_SIZE);
  if (header.flags !== PageFlag.leaf)
    return `its inline page has flags 0x${header.flags.toString(16)} instead of a leaf's`;
  const page = makePage(0, value, BUCKET_HEADER_SIZE, value.length, header.count);
  return checkLeaf(page)?.text ?? page;
}

export interface Entry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly isBucket: boolean;
  readonly page: Page;
  readonly index: number;
}

/**
 * The entries of a bucket in key order, one leaf in memory at a time: for buckets that are small (the root, members,
 * leases); a large one is swept. Damaged leaves are reported and left out. `comparesKeys`: as of a `LeafList`.
 */
export function* readEntries(
  bolt: BoltFile,
  bucket: Bucket,
  report: Report,
  seen: PageSet = createPageSet(bolt.pageCount),
  comparesKeys = true,
): Generator<Entry> {
  if (typeof bucket.root !== "number") {
    yield* pageEntries(bucket.root);
    return;
  }
  const leaves = createLeafList(0, comparesKeys);
  collectLeaves(bolt, bucket.root, bucket.path, leaves, seen, report);
  for (let i = 0; i < leaves.count; i++) {
    const id = defined(leaves.ids[i]);
    const where = `page ${id} · bucket "${bucket.path}"`;
    const result = readPage(bolt, id);
    if ("fault" in result) {
      report({ level: "error", code: result.code, where, text: result.fault });
      continue;
    }
    if (result.flags !== PageFlag.leaf) {
      report({
        level: "error",
        code: "page-flags",
        where,
        text: `flags 0x${result.flags.toString(16)} where a leaf belongs`,
      });
      continue;
    }
    if (!mark(seen, id, result.overflow, () => where, report)) continue;
    if (!checkLeafPage(result.page, leaves, i, i + 1 === leaves.count, () => where, report)) continue;
    yield* pageEntries(result.page);
  }
}

function* pageEntries(page: Page): Generator<Entry> {
  for (let index = 0; index < page.count; index++) {
    yield {
      key: leafKey(page, index),
      value: leafValue(page, index),
      isBucket: (leafFlags(page, index) & BUCKET_ELEMENT) !== 0,
      page,
      index,
    };
  }
}

/** The buckets at the top of the file, in name order. */
export function readBuckets(bolt: BoltFile, report: Report, seen?: PageSet): Bucket[] {
  const root: Bucket = { path: "", name: new Uint8Array(), sequence: bolt.meta.rootSequence, root: bolt.meta.root };
  const buckets: Bucket[] = [];
  for (const entry of readEntries(bolt, root, report, seen)) {
    if (!entry.isBucket) {
      report({
        level: "warning",
        code: "root-value",
        where: `page ${entry.page.id} item ${entry.index}`,
        text: "a value where only buckets belong",
      });
      continue;
    }
    const bucket = decodeBucket(entry.page, entry.index, "", report);
    if (bucket !== undefined) buckets.push(bucket);
  }
  return buckets;
}
