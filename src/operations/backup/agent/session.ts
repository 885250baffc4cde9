/**
 * One time of writing: a watch from where the repository ends, its changes stored every interval, fulls when they are
 * due. It ends when etcd or the watch does, when another agent has taken over, or when the agent is to stop; then
 * whoever calls it looks again.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { invariant, MendError } from "../../../errors/errors.ts";
import { type EtcdClient, openEtcd } from "../../../io/etcd/etcd-client.ts";
import type { EtcdAccess } from "../../../io/etcd/etcd-connection.ts";
import type { Spool } from "../../../io/repository/spool.ts";
import type { Change, LeaseGrant } from "../../../repository/delta.ts";
import { createDeltaBuffer } from "../../../repository/delta-buffer.ts";
import type { HashMark } from "../../../repository/head.ts";
import { fingerprintChanges } from "../../../repository/history.ts";
import type { Position } from "../../../repository/position.ts";
import { currentSigner } from "../../../repository/signers.ts";
import type { WritableRepository } from "../open-for-writing.ts";
import { askHash } from "../take-full.ts";
import type { AgentOptions } from "./agent-options.ts";
import type { AgentReporter } from "./agent-report.ts";
import { createDeltaWriter } from "./delta-writer.ts";

/** Why a session ended, and what is to be done. */
export type SessionEnd =
  /** Look again who writes. */
  | { readonly kind: "look-again" }
  /** Another agent writes. */
  | { readonly kind: "deposed" }
  /** etcd has compacted what the repository lacks, or has another history: a full has to be taken. */
  | { readonly kind: "needs-full"; readonly reason: string; readonly newHistory: boolean; readonly isGap: boolean };

export interface SessionContext {
  readonly writable: WritableRepository;
  readonly access: EtcdAccess;
  readonly endpoint: string;
  readonly position: Position;
  readonly spool: Spool;
  readonly options: AgentOptions;
  readonly report: AgentReporter;
  /** Starts what is due besides, and does not wait for it. */
  readonly eachTick: () => void;
}

const ALIVE_MS = 10_000;
const LEASES_AT_ONCE = 8;
/** More than a busy cluster has; forgetting one costs a question to etcd. */
const MOST_KNOWN_LEASES = 20_000;

export async function runSession(context: SessionContext): Promise<SessionEnd> {
  const { access, endpoint, options } = context;
  const over = new AbortController();
  const signal = AbortSignal.any([options.signal, over.signal]);
  // Without the signal: what came before the end is still stored, with the leases that it names.
  const client = openEtcd(endpoint, access);
  try {
    return await runWith(client, context, over, signal);
  } finally {
    over.abort();
    client.close();
  }
}

async function runWith(
  client: EtcdClient,
  context: SessionContext,
  over: AbortController,
  signal: AbortSignal,
): Promise<SessionEnd> {
  const { writable, position, spool, options, report } = context;
  const { intervalMs, heartbeatMs, hashEveryMs, flushBytes, clock, log } = options;
  const status = await client.status();
  const cluster = status.header.clusterId.toString(16);
  const member = status.header.memberId.toString(16);
  report.state.etcdRevision = status.header.revision;
  if (cluster !== position.cluster) {
    return {
      kind: "needs-full",
      reason: `the cluster is ${cluster}, and was ${position.cluster}`,
      newHistory: true,
      isGap: false,
    };
  }
  if (status.header.revision < position.revision) {
    const reason = `etcd is at revision ${status.header.revision}, and was at ${position.revision}: it was restored`;
    return { kind: "needs-full", reason, newHistory: true, isGap: false };
  }
  // What waits in the spool is of this history only where it continues it.
  const waiting = spool.newest;
  const base =
    waiting !== undefined && waiting.history === position.history && waiting.revisions.to > position.revision
      ? waiting
      : undefined;
  let flushed = base?.revisions.to ?? position.revision;
  let coveredTo = base === undefined ? position.time : Date.parse(base.times.to);
  let lastChanges = base === undefined ? position.lastChanges : base.lastChanges;
  const expected = lastChanges;
  // A fingerprint that the former key made cannot be compared.
  const isOwn = position.newest.sequence >= currentSigner(writable.repository.signers).from;
  const canCompare = expected !== null && flushed > 0 && isOwn;
  const writer = createDeltaWriter(writable, spool, report);
  const buffer = createDeltaBuffer(flushed);
  const knownLeases = new Set<bigint>();
  let hashes: HashMark[] = [];
  let hashedAt = clock() - hashEveryMs;
  let wroteAt = clock();
  let heardAt = clock();
  let flushing: Promise<void> | undefined;
  let end: SessionEnd | undefined;
  let failure: unknown;

  function stop(result: SessionEnd): void {
    end ??= result;
    over.abort();
  }

  async function flush(): Promise<void> {
    const gathered = buffer.take();
    const isHeartbeat = gathered === undefined && clock() - wroteAt >= heartbeatMs;
    if (gathered === undefined && !isHeartbeat) {
      if (spool.count > 0) await writer.drain();
      return;
    }
    if (isHeartbeat) {
      // Nothing came; that nothing happened is for etcd to say.
      const { header } = await client.status();
      report.state.etcdRevision = header.revision;
      if (header.revision !== flushed || buffer.bytes > 0) return;
    }
    const to = gathered?.revision ?? flushed;
    const time = Math.max(coveredTo, options.now());
    if (time > options.now() + 1000)
      log("warn", "the clock went back: times are held until it has caught up", { held: new Date(time).toISOString() });
    const leases = gathered === undefined ? [] : await askLeases(client, gathered.leases, knownLeases);
    if (gathered !== undefined) {
      const last = gathered.changes.filter(({ revision }) => revision === to);
      lastChanges = fingerprintChanges(writable.key, last);
    }
    const stored = await writer.write(
      {
        kind: "delta",
        cluster,
        member,
        etcdVersion: status.version,
        history: position.history,
        compactRevision: hashes.at(-1)?.compactRevision ?? 0,
        hashes,
        revisions: { from: flushed + 1, to },
        times: { from: new Date(coveredTo || time).toISOString(), to: new Date(time).toISOString() },
        events: gathered?.changes.length ?? 0,
        deletions: gathered?.changes.filter(({ deletion }) => deletion).length ?? 0,
        leases: leases.length,
        exact: gathered?.marks.every(({ late }) => !late) ?? true,
        lastChanges,
      },
      gathered,
      leases,
    );
    hashes = [];
    flushed = to;
    coveredTo = time;
    wroteAt = clock();
    if (stored === "deposed") return stop({ kind: "deposed" });
    if (spool.bytes > options.spoolLimit) {
      report.begin(
        "spool",
        `${spool.bytes} bytes wait for the store, more than the limit of ${options.spoolLimit}: the watch stops until they are stored`,
      );
      return stop({ kind: "look-again" });
    }
    if (clock() - hashedAt >= hashEveryMs) {
      hashedAt = clock();
      rememberHash(to).catch(fail); // goes with the next delta
    }
  }

  /** etcd's own hash of what was just stored; a compaction or a member that cannot say is no reason to stop. */
  async function rememberHash(revision: number): Promise<void> {
    try {
      const mark = await askHash(client.hashKv, revision, member);
      if (mark !== undefined) hashes.push(mark);
      report.end("hash");
    } catch (error) {
      if (!(error instanceof MendError) || error.code === "internal") throw error;
      report.begin("hash", `etcd does not hash its keyspace: ${error.message}`);
    }
  }

  const flushOnce = (): Promise<void> => {
    flushing ??= flush().finally(() => {
      flushing = undefined;
    });
    return flushing;
  };

  const ticking = (async () => {
    try {
      for (;;) {
        await sleep(intervalMs, undefined, { signal });
        await flushOnce();
        await checkAlive();
        context.eachTick();
      }
    } catch (error) {
      if (!signal.aborted) {
        failure ??= error;
        over.abort();
      }
    }
  })();

  /** A connection that is dead brings nothing and says nothing: a question shows it. */
  async function checkAlive(): Promise<void> {
    if (clock() - heardAt < ALIVE_MS) return;
    const { header } = await client.status();
    report.state.etcdRevision = header.revision;
    heardAt = clock();
  }

  let oldUpTo = 0;
  const seenThere: Change[] = [];
  let isCompared = !canCompare;
  try {
    for await (const answer of client.watch(canCompare ? flushed : flushed + 1, signal)) {
      heardAt = clock();
      if (answer.created) {
        oldUpTo = answer.header.revision;
        report.end("etcd");
      }
      report.state.etcdRevision = Math.max(report.state.etcdRevision ?? 0, answer.header.revision);
      if (answer.canceled) {
        end = answer.compactRevision > 0 ? compactedEnd(answer.compactRevision, flushed) : { kind: "look-again" };
        if (answer.compactRevision === 0) report.begin("etcd", `etcd ended the watch: ${answer.cancelReason}`);
        break;
      }
      if (!isCompared) {
        collectAt(answer.events, flushed, seenThere);
        const isOver = !answer.fragment && answer.events.length > 0;
        if (isOver) {
          isCompared = true;
          if (fingerprintChanges(writable.key, seenThere) !== expected) {
            const reason = `revision ${flushed} holds other changes than the repository: the cluster was restored`;
            return { kind: "needs-full", reason, newHistory: true, isGap: false };
          }
        }
      }
      const fault = buffer.add({ ...answer, time: Math.max(coveredTo, options.now()), oldUpTo });
      if (fault !== undefined)
        throw new MendError("etcd-refused", `"${client.endpoint}" sends what it must not: ${fault}`, {
          where: client.endpoint,
        });
      if (buffer.bytes >= flushBytes) {
        const flushed = flushOnce();
        if (buffer.bytes >= 2 * flushBytes)
          await flushed; // etcd waits meanwhile, and keeps the rest
        else flushed.catch((error) => fail(error));
      }
    }
  } catch (error) {
    if (!signal.aborted) failure ??= error;
  }
  // What came before the end is stored: at SIGTERM nothing is lost.
  over.abort();
  await ticking;
  if (end === undefined || end.kind === "look-again") await storeRest();
  if (failure !== undefined) throw failure;
  return end ?? { kind: "look-again" };

  function fail(error: unknown): void {
    failure ??= error;
    over.abort();
  }

  async function storeRest(): Promise<void> {
    try {
      await flushing;
      if (isCompared && end === undefined) await flush();
    } catch (error) {
      failure ??= error;
    }
  }
}

function compactedEnd(compactRevision: number, flushed: number): SessionEnd {
  const reason = `etcd compacted revision ${compactRevision}, and the repository ends at ${flushed}`;
  return { kind: "needs-full", reason, newHistory: false, isGap: compactRevision > flushed + 1 };
}

/** The changes of one revision among events. */
function collectAt(
  events: readonly { readonly deletion: boolean; readonly keyValue: Uint8Array }[],
  revision: number,
  into: Change[],
): void {
  const one = createDeltaBuffer(revision - 1);
  for (const { deletion, keyValue } of events) {
    one.add({ events: [{ deletion, keyValue }], fragment: false, time: 0, oldUpTo: 0 });
  }
  for (const change of one.take()?.changes ?? []) {
    if (change.revision === revision) into.push({ ...change, sub: into.length });
  }
}

async function askLeases(client: EtcdClient, ids: readonly bigint[], known: Set<bigint>): Promise<LeaseGrant[]> {
  const asked = ids.filter((id) => !known.has(id));
  const grants: LeaseGrant[] = [];
  const queue = asked.values();
  const worker = async (): Promise<void> => {
    for (const id of queue) grants.push({ id, ttl: await ttlOf(client, id) });
  };
  const workers = Array.from({ length: Math.min(LEASES_AT_ONCE, asked.length) }, worker);
  await Promise.allSettled(workers);
  await Promise.all(workers);
  if (known.size > MOST_KNOWN_LEASES) known.clear();
  for (const { id, ttl } of grants) if (ttl !== undefined) known.add(id);
  invariant(grants.length === asked.length, "every lease was asked for");
  return grants.toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

/** Changes are stored whether or not etcd still answers: a lease of which nothing is known ends soon after a restore. */
async function ttlOf(client: EtcdClient, id: bigint): Promise<number | undefined> {
  try {
    return await client.leaseTtl(id);
  } catch (error) {
    if (error instanceof MendError && error.code !== "internal") return undefined;
    throw error;
  }
}
