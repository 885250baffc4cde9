/** How far a repository has come, as who writes to it has to know. */
import type { FullHead, Head } from "./head.ts";
import { isKeyspaceHead, type KeyspaceHead } from "./timeline.ts";

export interface Position {
  readonly history: number;
  /** In hex. */
  readonly cluster: string;
  /** The newest revision from which deltas continue. */
  readonly revision: number;
  /** Until when everything is known, in milliseconds; 0 for a full without a time. */
  readonly time: number;
  readonly lastChanges: string | null;
  /** The newest link of the keyspace. */
  readonly newest: KeyspaceHead;
  /** The newest full of the history. */
  readonly full: FullHead;
  /** Stored bytes of the deltas behind it. */
  readonly bytesSinceFull: number;
  /** Who wrote the newest link of the keyspace. */
  readonly writer: string;
}

/** Undefined for a repository without a full. `heads` in the order of their numbers. */
export function findPosition(heads: readonly Head[]): Position | undefined {
  const all = heads.filter(isKeyspaceHead);
  const history = all.reduce((most, head) => Math.max(most, head.history), 0);
  const own = all.filter((head) => head.history === history);
  const newest = own.at(-1);
  const full = own.findLast((head) => head.kind === "full");
  if (newest === undefined || full === undefined) return undefined;
  // Deltas continue from deltas: a full that was taken meanwhile is ahead of them, and there is no gap where they can follow.
  const last = own.findLast((head) => head.kind === "delta");
  const from = last !== undefined && last.revisions.to + 1 >= full.revisions.from ? last : full;
  const deltas = own.filter((head) => head.kind === "delta" && head.sequence > full.sequence);
  return {
    history,
    cluster: newest.cluster,
    revision: from.revisions.to,
    time: from.times === null ? 0 : Date.parse(from.times.to),
    lastChanges: from.lastChanges,
    newest,
    full,
    bytesSinceFull: deltas.reduce((sum, head) => sum + head.content.size, 0),
    writer: newest.writer,
  };
}
