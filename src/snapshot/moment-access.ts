/** How moments of repositories are reached: what the command line gives to everything that opens a snapshot. */

import type { Finding } from "../errors/errors.ts";
import type { HashMark } from "../repository/head.ts";
import type { Pieces } from "../repository/pieces.ts";

export interface MomentAccess {
  /** Where credentials are looked for. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly signal?: AbortSignal;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** The path of an identity file; `KUBEMEND_BACKUP_IDENTITY` unless given. */
  readonly identityFile?: string;
  /** Compute etcd's HashKV and compare, where the repository has one. */
  readonly prove?: boolean;
  /** The history of the cluster that a revision belongs to; the newest unless given. */
  readonly history?: number;
  /** Called with what was opened. */
  readonly onOpened?: (moment: OpenedMoment) => void;
}

export interface OpenedMoment {
  readonly repository: string;
  readonly pieces: Pieces;
  readonly revision: number;
  /**
   * The newest HashKV of etcd's at this revision or before, and whether the restored keyspace has it. Null where the
   * repository has none, or nobody asked.
   */
  readonly proof: (HashMark & { readonly verdict: "equal" }) | null;
  readonly notes: readonly Finding[];
}
