/** Stores deltas in order: at once where the store answers, from the spool when it answers again. */
import { MendError } from "../../../errors/errors.ts";
import type { Link } from "../../../io/repository/repository.ts";
import { sealBytes } from "../../../io/repository/seal.ts";
import { type DeltaDraft, isCovered, type Spool, type Waiting } from "../../../io/repository/spool.ts";
import { encodeDelta, type LeaseGrant } from "../../../repository/delta.ts";
import type { GatheredChanges } from "../../../repository/delta-buffer.ts";
import type { DeltaHead } from "../../../repository/head.ts";
import type { WritableRepository } from "../open-for-writing.ts";
import type { AgentReporter } from "./agent-report.ts";

/** `deposed`: somebody else stored the same changes. */
type Stored = "stored" | "spooled" | "deposed";

export interface DeltaWriter {
  write(
    draft: Omit<DeltaDraft, "content">,
    gathered: GatheredChanges | undefined,
    leases: readonly LeaseGrant[],
  ): Promise<Stored>;
  /** Stores what waits. */
  drain(): Promise<Stored>;
}

/** Failures of a store that may be over later. What is no failure of the store's is thrown on. */
const PASSING: ReadonlySet<string> = new Set([
  "store-unreachable",
  "store-refused",
  "timeout",
  "tls-failed",
  "io",
  "no-space",
  "permission-denied",
  "not-found",
]);

export function isStoreFailure(error: unknown): error is MendError {
  return error instanceof MendError && PASSING.has(error.code);
}

export function createDeltaWriter(
  { appender, repository }: WritableRepository,
  spool: Spool,
  report: AgentReporter,
): DeltaWriter {
  const { state } = report;

  async function append(
    { draft, payload }: Waiting,
    isWanted: (others: DeltaHead[]) => boolean,
  ): Promise<"stored" | "deposed"> {
    const signed = await appender.append(draft, payload, (others) => isWanted(deltasOf(others)));
    if (signed === undefined) return "deposed";
    state.counts.deltas += 1;
    state.counts.changes += draft.events;
    state.counts.storedBytes += payload.length;
    state.storedRevision = draft.revisions.to;
    state.storedTime = Date.parse(draft.times.to);
    return "stored";
  }

  async function drain(): Promise<Stored> {
    let result: Stored = "stored";
    try {
      for (let waiting = await spool.first(); waiting !== undefined; waiting = await spool.first()) {
        // What waited is stored behind what others wrote, unless they have it.
        const { draft } = waiting;
        // Its fingerprint may be one of the former key: without one nothing is compared with it.
        const isSafe = repository.signers.length === 1;
        const added = isSafe ? waiting : { ...waiting, draft: { ...draft, lastChanges: null } };
        if ((await append(added, (others) => !isCovered(draft, others))) === "deposed") result = "deposed";
        await spool.removeFirst();
        state.spoolBytes = spool.bytes;
      }
      report.end("store");
      return result;
    } catch (error) {
      if (!isStoreFailure(error)) throw error;
      report.begin("store", `the store takes nothing: ${error.message}`);
      return "spooled";
    }
  }

  return {
    drain,
    async write(draft, gathered, leases) {
      const { changes = [], marks = [] } = gathered ?? {};
      const sealed = await sealBytes(encodeDelta({ changes, marks, leases }), repository.description.recipients);
      const waiting = { draft: { ...draft, content: sealed.content }, payload: sealed.bytes };
      if (spool.count === 0) {
        try {
          // Another writer is at work: what is not in its link is in its next one.
          const stored = await append(waiting, (others) => others.length === 0);
          report.end("store");
          return stored;
        } catch (error) {
          if (!isStoreFailure(error)) throw error;
          report.begin("store", `the store takes nothing: ${error.message}`);
        }
      }
      await spool.add(waiting);
      state.spoolBytes = spool.bytes;
      return await drain();
    },
  };
}

function deltasOf(links: readonly Link[]): DeltaHead[] {
  return links.flatMap(({ signed: { head } }) => (head.kind === "delta" ? [head] : []));
}
