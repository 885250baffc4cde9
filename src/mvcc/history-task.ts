/** Finds every revision of one key among the leaves of the `key` bucket, in any order: where each lies, not what it holds. */
import type { RevisionVisitor } from "./leaf-revisions.ts";

/** Where a revision of the key lies in the file. */
export interface RevisionPlace {
  readonly main: number;
  readonly sub: number;
  readonly tombstone: boolean;
  readonly page: number;
  readonly item: number;
}

export interface HistoryTask {
  readonly visit: RevisionVisitor;
  finish(): readonly RevisionPlace[];
}

export function createHistoryTask(key: Uint8Array): HistoryTask {
  const places: RevisionPlace[] = [];
  const visit: RevisionVisitor = ({ page, item, main, sub, tombstone, fields }) => {
    const { keyStart, keyEnd } = fields;
    if (keyEnd - keyStart !== key.length) return;
    for (let i = key.length - 1; i >= 0; i--) if (page.bytes[keyStart + i] !== key[i]) return;
    places.push({ main, sub, tombstone, page: page.id, item });
  };
  return { visit, finish: () => places };
}

/** Joins what several threads found: the oldest revision first. */
export function mergeHistories(results: readonly (readonly RevisionPlace[])[]): readonly RevisionPlace[] {
  return results.flat().sort((a, b) => a.main - b.main || a.sub - b.sub);
}
