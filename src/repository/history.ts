/**
 * Whether a cluster continues with the history that a repository holds. A cluster that was restored has revisions again
 * that it had before, with other changes: they must not be joined to the old ones.
 */
import { type Change, encodeDelta } from "./delta.ts";
import type { SigningKey } from "./signing.ts";
import type { KeyspaceHead } from "./timeline.ts";

/** What is seen of the cluster. */
export interface SeenHistory {
  /** In hex. */
  readonly cluster: string;
  /** The newest revision. */
  readonly revision: number;
  /** The fingerprint of the changes at the revision where the repository ends; undefined where they can no longer be seen. */
  readonly changesThere: string | undefined;
}

/** A fingerprint of all changes of one revision. */
export function fingerprintChanges(key: SigningKey, changes: readonly Change[]): string {
  return key.fingerprint(encodeDelta({ changes, marks: [], leases: [] }));
}

/** The number of the history that a new link belongs to. `last` is the newest link of the keyspace. */
export function historyOf(last: KeyspaceHead | undefined, seen: SeenHistory): number {
  if (last === undefined) return 1;
  return isContinuation(last, seen) ? last.history : last.history + 1;
}

function isContinuation(last: KeyspaceHead, seen: SeenHistory): boolean {
  if (last.cluster !== seen.cluster || seen.revision < last.revisions.to) return false;
  if (last.lastChanges === null || seen.changesThere === undefined) return true;
  return last.lastChanges === seen.changesThere;
}
