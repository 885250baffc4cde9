/**
 * audit: what a run changes, and why. Whatever changes something outside of this process (a file, an object of a
 * cluster, a member of etcd, a container, a service) reports it here, at the one place where it does so; the command line
 * records it (`operations/audit`). Without a trail, as in the library, nothing is recorded.
 */
import { AsyncLocalStorage } from "node:async_hooks";

/** Something that was changed, reported after it was done. */
export interface Change {
  /** In one or two lower-case words: `write`, `remove`, `create`, `member add`, `stop container`. */
  readonly action: string;
  /** A path, `METHOD`-less path of an API server, the address of a member of etcd, a container's id. Holds no secrets. */
  readonly target: string;
  /** The path that it had before. */
  readonly from?: string;
  /** Who or what was asked to do it, and as whom: `https://10.0.0.10:6443 as alice`. */
  readonly by?: string;
  /** Whether it was done is not known: the connection broke after it had been asked for. */
  readonly uncertain?: boolean;
  /** Further changes of the same action and target in a run are counted and not recorded one by one. */
  readonly repeats?: boolean;
}

/** What a run relied on: a snapshot with its hash, a moment of a repository, a finding. Holds no secrets. */
export type Evidence = Readonly<Record<string, string | number>>;

export interface AuditTrail {
  change(change: Change): void;
  evidence(evidence: Evidence): void;
}

const current = new AsyncLocalStorage<AuditTrail>();

/** Everything that `run` does, and whatever it starts, is reported to `trail`. */
export function withAuditTrail<T>(trail: AuditTrail, run: () => Promise<T>): Promise<T> {
  return current.run(trail, run);
}

export function recordChange(change: Change): void {
  current.getStore()?.change(change);
}

export function recordEvidence(evidence: Evidence): void {
  current.getStore()?.evidence(evidence);
}
