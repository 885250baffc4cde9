/**
 * Counts the live keys of a keyspace without knowing any key, in any order of its leaves: for keyspaces of so many keys
 * that an index of them would not fit. It goes by how etcd keeps history. Up to the compacted revision there is at most
 * one put of each key, its newest, and only where the key lived on. After it every change is there: a put of version 1
 * is a key that came, a deletion one that went.
 */
import type { RevisionEntry, RevisionVisitor } from "./leaf-revisions.ts";

export interface LiveCount {
  readonly live: number;
  /** The newest revision among all entries. */
  readonly lastRevision: number;
}

export interface LiveCountTask {
  readonly visit: RevisionVisitor;
  finish(): LiveCount;
}

/** `compactRevision`: of a compaction that was finished; 0 where there was none. */
export function createLiveCountTask(compactRevision: number): LiveCountTask {
  let live = 0;
  let lastRevision = 0;
  return {
    visit(entry) {
      if (entry.main > lastRevision) lastRevision = entry.main;
      if (entry.fields.keyStart === entry.fields.keyEnd) return; // a bare revision
      live += liveChange(entry, compactRevision);
    },
    finish: () => ({ live, lastRevision }),
  };
}

/** By how many an entry changes the number of live keys, in all: 1, 0 or -1. */
export function liveChange({ main, tombstone, fields }: RevisionEntry, compactRevision: number): number {
  if (main <= compactRevision) return tombstone ? 0 : 1;
  if (tombstone) return -1;
  return fields.version === 1 ? 1 : 0;
}

/** Joins what several threads counted. */
export function mergeLiveCounts(counts: readonly LiveCount[]): LiveCount {
  return {
    live: counts.reduce((sum, each) => sum + each.live, 0),
    lastRevision: counts.reduce((newest, each) => Math.max(newest, each.lastRevision), 0),
  };
}
