/** What a server serves: a keyspace at a moment, and how it is to be shown. */
import type { Catalog } from "./catalog.ts";
import type { KeyspaceHistory } from "./history.ts";

export interface World {
  readonly history: KeyspaceHistory;
  /** The moment: what is newer is not there yet. */
  readonly revision: number;
  readonly catalog: Catalog;
  readonly showSecrets: boolean;
  /** Such as `v1.20.2`: the newest that a component of the cluster says it is, or undefined where none does. */
  readonly version: string | undefined;
  /** What this is, for whoever tries to write: `a backup, saved as /backup/prod.db`. */
  readonly description: string;
  /** Milliseconds since the epoch: what ages are counted to. */
  readonly now: number;
  /** The keys of a place that are there at a revision, in their order; kept for the next page of a list. */
  liveKeys(place: string, revision: number): Uint32Array;
}

/** The live keys below `place` at a revision. */
export function findLiveKeys(history: KeyspaceHistory, place: string, revision: number): Uint32Array {
  const [from, to] = history.range(place);
  const keys = new Uint32Array(to - from);
  let count = 0;
  for (let key = from; key < to; key++) if (history.rowAt(key, revision) >= 0) keys[count++] = key;
  return keys.slice(0, count);
}
