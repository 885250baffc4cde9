/** Reads the entries of a bucket from a key on, without reading those before it. */
import { invariant } from "../errors/errors.ts";
import { type BoltFile, readPage } from "./bolt.ts";
import type { Bucket } from "./bucket.ts";
import {
  branchChild,
  branchKey,
  checkBranch,
  checkLeaf,
  compareBytes,
  leafKey,
  leafValue,
  type Page,
  PageFlag,
} from "./page.ts";
import type { Report } from "./tree.ts";

const MAX_DEPTH = 64;

/** Entries whose keys are `from` or above, ascending; views that the next one may invalidate. Damaged pages are reported and left out. */
export function* readEntriesFrom(
  bolt: BoltFile,
  bucket: Bucket,
  from: Uint8Array,
  report: Report,
): Generator<{ readonly key: Uint8Array; readonly value: Uint8Array }> {
  if (typeof bucket.root !== "number") yield* entriesFrom(bucket.root, from);
  else yield* below(bolt, bucket.root, from, report, 0);
}

function* below(
  bolt: BoltFile,
  id: number,
  from: Uint8Array,
  report: Report,
  depth: number,
): Generator<{ readonly key: Uint8Array; readonly value: Uint8Array }> {
  const damaged = (text: string): void =>
    report({ level: "error", code: "page-unreadable", where: `page ${id}`, text });
  if (depth > MAX_DEPTH) return damaged(`the tree is deeper than ${MAX_DEPTH} levels`);
  const result = readPage(bolt, id);
  if ("fault" in result) return damaged(result.fault);
  const { page, flags } = result;
  if (flags === PageFlag.leaf) {
    const fault = checkLeaf(page);
    if (fault !== undefined) return damaged(fault.text);
    yield* entriesFrom(page, from);
    return;
  }
  if (flags !== PageFlag.branch) return damaged(`flags 0x${flags.toString(16)} are no tree page's`);
  const fault = checkBranch(page);
  if (fault !== undefined) return damaged(fault.text);
  for (let i = firstChild(page, from); i < page.count; i++)
    yield* below(bolt, branchChild(page, i), from, report, depth + 1);
}

/** The last child that may hold `from`: the one before the first that begins above it. */
function firstChild(page: Page, from: Uint8Array): number {
  let [low, high] = [0, page.count];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareBytes(branchKey(page, middle), from) <= 0) low = middle + 1;
    else high = middle;
  }
  invariant(page.count > 0, "a branch has children");
  return Math.max(0, low - 1);
}

function* entriesFrom(
  page: Page,
  from: Uint8Array,
): Generator<{ readonly key: Uint8Array; readonly value: Uint8Array }> {
  for (let i = 0; i < page.count; i++) {
    const key = leafKey(page, i);
    if (compareBytes(key, from) >= 0) yield { key, value: leafValue(page, i) };
  }
}
