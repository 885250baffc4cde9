/**
 * `backup run`: keeps a repository as new as etcd is. It waits for the store, finds out who writes, and writes or
 * stands by; whatever fails is reported and tried again, until it is told to stop. What the repository holds decides
 * everything: the agent keeps nothing but what waits in its spool.
 */

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { defined } from "../../../errors/defined.ts";
import { MendError } from "../../../errors/errors.ts";
import { type AgentLock, takeAgentLock } from "../../../io/agent/agent-lock.ts";
import { releaseProgramPages } from "../../../io/agent/program-pages.ts";
import { isUnreached, openEtcd } from "../../../io/etcd/etcd-client.ts";
import { type EtcdAccess, prepareEtcdAccess } from "../../../io/etcd/etcd-connection.ts";
import { Backoff, type BackoffOptions } from "../../../io/network/backoff.ts";
import type { Link } from "../../../io/repository/repository.ts";
import { openSpool, type Spool } from "../../../io/repository/spool.ts";
import { decideRole } from "../../../repository/agent-role.ts";
import type { Head } from "../../../repository/head.ts";
import { findPosition, type Position } from "../../../repository/position.ts";
import { currentSigner } from "../../../repository/signers.ts";
import { isKeyspaceHead, readTimeline } from "../../../repository/timeline.ts";
import { openForWriting, type WritableRepository } from "../open-for-writing.ts";
import { takeFull } from "../take-full.ts";
import type { AgentOptions } from "./agent-options.ts";
import { openBackupPages } from "./agent-pages.ts";
import { type AgentReporter, createReporter } from "./agent-report.ts";
import { createBundleKeeper } from "./bundles.ts";
import { isStoreFailure } from "./delta-writer.ts";
import { createDrillWatch } from "./drill-watch.ts";
import { createFaultEvents } from "./fault-events.ts";
import { createNodeFilesKeeper } from "./node-files-keeper.ts";
import { runSession, type SessionEnd } from "./session.ts";
import { createWebhook } from "./webhook.ts";

/** After a failure, and at most. */
const RETRY_MS = 1000;
const MOST_RETRY_MS = 30_000;
/** What is not used is not kept in memory that long. */
const RELEASE_MS = 60_000;
/** As client-go waits for watches: longer each time, and agents of several nodes never in step. */
const RETRY: BackoffOptions = { firstMs: RETRY_MS, longestMs: MOST_RETRY_MS };
/** A session that ends sooner has not worked: etcd ends its watch at once, or has compacted what comes next again. */
const SHORT_SESSION_MS = 10_000;

/** Runs until the signal comes; what was seen until then is stored. Throws what no waiting can mend: a configuration that is wrong. */
export async function runBackupAgent(options: AgentOptions): Promise<void> {
  const { signal, log, now } = options;
  const listeners = [createWebhook(options), createFaultEvents(options)];
  const report = createReporter({
    log,
    now,
    onFault: (fault, over) => {
      for (const { send } of listeners) send(fault, over);
    },
  });
  const pages = await openBackupPages(report, options);
  const releasing = setInterval(releaseProgramPages, RELEASE_MS).unref();
  let lock: AgentLock | undefined;
  try {
    const access = await prepareEtcdAccess(options.etcd);
    // A second agent of the same node would write into the same spool, under the same name.
    lock = await takeAgentLock(join(options.spoolDirectory, "lock"), signal, () =>
      log("info", "another backup agent of this node is at work: waiting for it to end", {
        spool: options.spoolDirectory,
      }),
    );
    const spool = await openSpool(options.spoolDirectory);
    report.state.spoolBytes = spool.bytes;
    const writable = await whenStoreAnswers(options, report);
    if (writable === undefined) return;
    try {
      await keepWriting(writable, access, spool, report, options);
    } finally {
      await writable.repository.store.close();
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await Promise.all(listeners.map((listener) => listener.close()));
    pages?.close();
    clearInterval(releasing);
    lock?.release();
    log("info", "stopped", { storedRevision: report.state.storedRevision, waiting: report.state.spoolBytes });
  }
}

async function whenStoreAnswers(options: AgentOptions, report: AgentReporter): Promise<WritableRepository | undefined> {
  const { signal, log } = options;
  const waits = new Backoff(RETRY);
  while (!signal.aborted) {
    try {
      const writable = await openForWriting(options.repository, {
        ...options,
        onUnusable: (where) => log("error", "a link of the chain is damaged, and is passed over", { where }),
      });
      report.end("store");
      return writable;
    } catch (error) {
      const isMissing = error instanceof MendError && error.code === "repository-not-found"; // or its disk is not mounted yet
      if (!isMissing && !isStoreFailure(error)) throw error;
      report.begin("store", `the repository cannot be opened: ${error.message}`);
    }
    await pause(waits.next(), signal);
  }
  return undefined;
}

async function keepWriting(
  writable: WritableRepository,
  access: EtcdAccess,
  spool: Spool,
  report: AgentReporter,
  options: AgentOptions,
): Promise<void> {
  const { signal, clock, writer: self, patience, intervalMs, log } = options;
  const heads: Head[] = writable.links.map(({ signed }) => signed.head);
  const { appender } = writable;
  appender.onAdded = (link: Link): void => {
    heads.push(link.signed.head);
    note(report, heads);
  };
  note(report, heads);
  const nodeFiles = createNodeFilesKeeper(writable, options, report);
  const fulls = createFulls(writable, heads, report, options);
  const bundles = createBundleKeeper(writable, heads, report, options);
  const drills = createDrillWatch(writable.repository.store, report, options);
  const eachTick = (): void => {
    drills.lookIfDue();
    fulls.takeIfDue();
    bundles.writeIfDue();
    nodeFiles.keepIfDue().catch((error: unknown) => report.begin("node-files", String(error)));
  };
  /** Another agent was seen to write: this one waits as if it were the newest link's writer. */
  let isDeposed = false;
  let seenAt = clock();
  let seenSequence = 0;
  const failures = new Backoff(RETRY);
  const endings = new Backoff(RETRY);
  let shortSessions = 0;
  let endpointIndex = 0;
  while (!signal.aborted) {
    await catchUp(writable, report);
    drills.lookIfDue();
    await nodeFiles.keepIfDue();
    const position = findPosition(heads);
    if ((position?.newest.sequence ?? 0) !== seenSequence) {
      seenSequence = position?.newest.sequence ?? 0;
      seenAt = clock();
    }
    if (position !== undefined && position.writer !== self) isDeposed = false;
    const endpoint = defined(access.endpoints[endpointIndex % access.endpoints.length]);
    const etcd = await look(endpoint, access, report);
    if (etcd === undefined) endpointIndex++;
    const role = decideRole(
      {
        writer: isDeposed ? "another" : position?.writer,
        self,
        silentFor: clock() - seenAt,
        hasUnsaved:
          etcd === undefined
            ? undefined
            : etcd.revision > Math.max(position?.revision ?? 0, position?.full.revisions.to ?? 0),
      },
      patience,
    );
    if (report.state.role !== role)
      log("info", role === "write" ? "writing" : "standing by", { writer: position?.writer ?? null });
    report.state.role = role;
    if (role === "stand-by" || spool.bytes > options.spoolLimit) {
      if (spool.count > 0) await drainOnly(writable, spool, report);
      await pause(etcd === undefined ? failures.next() : intervalMs, signal);
      continue;
    }
    report.end("spool");
    isDeposed = false;
    let end: SessionEnd;
    const beganAt = clock();
    try {
      if (position === undefined) {
        end = { kind: "needs-full", reason: "the first one", newHistory: false, isGap: false };
      } else {
        end = await runSession({
          writable,
          access,
          endpoint,
          position,
          spool,
          options,
          report,
          eachTick,
        });
      }
      failures.reset();
    } catch (error) {
      if (signal.aborted) break;
      if (!isPassing(error)) throw error;
      report.begin(isStoreFailure(error) && !isUnreached(error) ? "store" : "etcd", error.message);
      endpointIndex++;
      await pause(failures.next(), signal);
      continue;
    }
    if (clock() - beganAt >= SHORT_SESSION_MS) {
      shortSessions = 0;
      endings.reset();
    } else if (shortSessions++ > 0) await pause(endings.next(), signal);
    if (end.kind === "deposed") {
      isDeposed = true;
      seenAt = clock();
    }
    if (end.kind === "needs-full") {
      const isTaken = await answerGap(end, position, fulls, report);
      if (!isTaken) await pause(failures.next(), signal);
    }
  }
  await fulls.settled();
  await drills.settled();
  await bundles.settled();
}

/** A full where deltas cannot continue; a gap is said. Returns whether it was taken. */
async function answerGap(
  end: Extract<SessionEnd, { kind: "needs-full" }>,
  position: Position | undefined,
  fulls: Fulls,
  report: AgentReporter,
): Promise<boolean> {
  const text = `a full is needed: ${end.reason}`;
  if (position !== undefined) report.begin("compacted", text);
  if (end.isGap) report.state.counts.gaps += 1;
  const isTaken = await fulls.take(end.reason, end.newHistory);
  if (isTaken) report.end("compacted");
  return isTaken;
}

interface Fulls {
  /** Takes one; false where it failed, which is reported. */
  take(reason: string, isNewHistory: boolean): Promise<boolean>;
  takeIfDue(): void;
  settled(): Promise<void>;
}

function createFulls(
  writable: WritableRepository,
  heads: readonly Head[],
  report: AgentReporter,
  options: AgentOptions,
): Fulls {
  const { clock, fullEveryMs, now, signal, log } = options;
  let running: Promise<boolean> | undefined;
  let failedAt = Number.NEGATIVE_INFINITY;

  async function run(reason: string, isNewHistory: boolean): Promise<boolean> {
    try {
      const last = findPosition(heads)?.newest;
      const full = await takeFull(writable, {
        etcd: options.etcd,
        temporaryDirectory: options.spoolDirectory,
        reason,
        now,
        signal,
        last,
        isNewHistory,
      });
      report.state.counts.fulls += 1;
      report.end("full");
      log("info", "full stored", {
        sequence: full.sequence,
        revision: full.revisions.to,
        bytes: full.content.size,
        reason,
      });
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      if (!(error instanceof MendError) || error.code === "internal") throw error;
      failedAt = clock();
      report.begin("full", `no full could be taken: ${error.message}`);
      return false;
    }
  }

  return {
    take: async (reason, isNewHistory) => {
      await running?.catch(() => {});
      return await run(reason, isNewHistory);
    },
    takeIfDue() {
      if (running !== undefined || clock() - failedAt < MOST_RETRY_MS * 2) return;
      const position = findPosition(heads);
      if (position === undefined) return;
      const age = now() - Date.parse(position.full.times?.to ?? position.full.written);
      const isLarge = position.bytesSinceFull > Math.max(position.full.content.size, SMALLEST_FULL);
      // What was stored before can be read with the former identity only.
      const isFormer = position.full.sequence < currentSigner(writable.repository.signers).from;
      if (age < fullEveryMs && !isLarge && !isFormer) return;
      const reason = isLarge ? "the deltas became larger than a full" : "it was time";
      running = run(isFormer ? "the keys were replaced" : reason, false).finally(() => {
        running = undefined;
      });
      running.catch((error: unknown) => report.begin("full", String(error)));
    },
    settled: async () => {
      await running?.catch(() => {});
    },
  };
}

/** A small cluster's deltas may outgrow its full many times before that matters. */
const SMALLEST_FULL = 16 << 20;

async function catchUp({ appender }: WritableRepository, report: AgentReporter): Promise<void> {
  try {
    await appender.catchUp();
    report.end("store");
  } catch (error) {
    if (!isStoreFailure(error)) throw error;
    report.begin("store", `the store does not answer: ${error.message}`);
  }
}

async function drainOnly(writable: WritableRepository, spool: Spool, report: AgentReporter): Promise<void> {
  const { createDeltaWriter } = await import("./delta-writer.ts");
  await createDeltaWriter(writable, spool, report).drain();
}

async function look(
  endpoint: string,
  access: EtcdAccess,
  report: AgentReporter,
): Promise<{ readonly revision: number } | undefined> {
  const client = openEtcd(endpoint, access);
  try {
    const { header } = await client.status();
    report.state.etcdRevision = header.revision;
    report.end("etcd");
    return { revision: header.revision };
  } catch (error) {
    if (!isPassing(error)) throw error;
    report.begin("etcd", `etcd does not answer: ${error.message}`);
    return undefined;
  } finally {
    client.close();
  }
}

const PASSING_ETCD: ReadonlySet<string> = new Set([
  "etcd-refused",
  "etcd-unauthenticated",
  "permission-denied",
  "unsupported",
]);

function isPassing(error: unknown): error is MendError {
  return isUnreached(error) || isStoreFailure(error) || (error instanceof MendError && PASSING_ETCD.has(error.code));
}

function note({ state }: AgentReporter, heads: readonly Head[]): void {
  const position = findPosition(heads);
  if (position === undefined) return;
  state.history = position.history;
  state.storedRevision = Math.max(position.revision, position.full.revisions.to);
  state.storedTime = position.time;
  state.writer = position.writer;
  state.fullTime = Date.parse(position.full.times?.to ?? position.full.written);
  state.restorableFrom = readTimeline(heads.filter(isKeyspaceHead)).spans.at(-1)?.times?.from ?? null;
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(milliseconds, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
