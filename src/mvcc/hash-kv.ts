/**
 * The hash that etcd's HashKV answers, computed from the entries of the `key` bucket (`hashByRev` in etcd's
 * server/storage/mvcc): CRC-32C over the bucket's name and, in order, every revision and key-value up to a revision,
 * without those at or before the compacted one that a compaction at that revision would remove. Each leaf is hashed by
 * itself, in any order and by any thread, and the parts are joined in key order at the end.
 */
import type { Page } from "../bolt/page.ts";
import { crc32c } from "../checksum/crc32c.ts";
import { defined } from "../errors/defined.ts";
import { appendLeaves, createLeafHashes, hashLeaf, type LeafHashes } from "./hash-task.ts";
import type { KeyIndex } from "./key-index.ts";
import { REVISION_SIZE, readBigEndian } from "./revision.ts";

/** All in shared memory, so that threads fill one result. */
export interface HashKvTask {
  readonly revision: number;
  readonly compactRevision: number;
  /** Ascending: of the revisions at or before the compacted one those that stay. */
  readonly keptMain: Float64Array;
  readonly keptSub: Float64Array;
  readonly hashes: LeafHashes;
}

/**
 * `index`: every key as it was at `revision`. What stays of the revisions up to the compacted one is the newest of each
 * key, where that is no deletion.
 */
export function createHashKvTask(
  index: KeyIndex,
  revision: number,
  compactRevision: number,
  leaves: number,
): HashKvTask {
  const kept: number[] = [];
  for (let i = 0; i < index.count; i++) {
    if (index.tombstone[i] === 0 && defined(index.main[i]) <= compactRevision) kept.push(i);
  }
  const [main, sub] = [(i: number) => defined(index.main[i]), (i: number) => defined(index.sub[i])];
  kept.sort((a, b) => main(a) - main(b) || sub(a) - sub(b));
  const shared = (): Float64Array => new Float64Array(new SharedArrayBuffer(kept.length * 8));
  const [keptMain, keptSub] = [shared(), shared()];
  kept.forEach((entry, i) => {
    keptMain[i] = main(entry);
    keptSub[i] = sub(entry);
  });
  return { revision, compactRevision, keptMain, keptSub, hashes: createLeafHashes(leaves) };
}

/** Hashes what counts of one leaf. */
export function hashKvLeaf(task: HashKvTask, page: Page, position: number): void {
  hashLeaf(
    task.hashes,
    page,
    position,
    ({ view }, start, keySize) =>
      keySize < REVISION_SIZE || counts(task, readBigEndian(view, start), readBigEndian(view, start + 9)),
  );
}

/** The hash, when every leaf was hashed. */
export function joinHashKv({ hashes }: HashKvTask): number {
  const hash = { crc: crc32c(Buffer.from("key")) };
  appendLeaves(hash, hashes, 0, hashes.crc.length);
  return hash.crc;
}

function counts({ revision, compactRevision, keptMain, keptSub }: HashKvTask, main: number, sub: number): boolean {
  if (main > revision) return false;
  if (main > compactRevision) return true;
  let [low, high] = [0, keptMain.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const difference = defined(keptMain[middle]) - main || defined(keptSub[middle]) - sub;
    if (difference === 0) return true;
    if (difference < 0) low = middle + 1;
    else high = middle;
  }
  return false;
}
