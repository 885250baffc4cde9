/**
 * Whether what the survivors have can be all that was committed. An entry is committed once a majority of the voters has
 * it, so every committed entry is in some survivor only where no majority can be made of the others.
 */
import type { ConfState } from "../wal/raft.ts";
import type { Survivor } from "./survivor.ts";

export interface HeardVoters {
  readonly voters: number;
  /** Voters whose logs can be read to their ends. */
  readonly heard: number;
  /** Whether each majority has one of those that were read. */
  readonly isEnough: boolean;
}

/** `cluster`: the members at the end of what is salvaged. */
export function heardVoters({ voters }: Pick<ConfState, "voters">, survivors: readonly Survivor[]): HeardVoters {
  const ids = survivors.filter(isReadToItsEnd).map(({ log }) => log.metadata?.nodeId);
  const heard = voters.filter((id) => ids.includes(id)).length;
  const majority = Math.floor(voters.length / 2) + 1;
  return { voters: voters.length, heard, isEnough: voters.length - heard < majority };
}

/** An end that was torn off was never flushed, and so never counted for a majority. */
function isReadToItsEnd({ log }: Survivor): boolean {
  return log.fragments.length > 0 && log.breaks.every(({ kind }) => kind === "torn");
}
