/** The node agent: one on each node, by a lock; its loop, what it shows of itself, and its end. */
import { takeAgentLock } from "../../io/agent/agent-lock.ts";
import { keepHeapSmall } from "../../io/agent/small-heap.ts";
import { AgentLoop } from "./agent-loop.ts";
import type { CheckpointerOptions } from "./checkpointer-options.ts";
import { reportOf } from "./checkpointer-report.ts";

/** Runs until the signal aborts, or until no API server has accepted the agent for long. */
export async function runCheckpointer(options: CheckpointerOptions): Promise<void> {
  const { signal, log, place, now } = options;
  keepHeapSmall();
  const lock = await takeAgentLock(options.lockFile, signal, () =>
    log("info", "another agent of this node is at work: waiting for it to end", { lockFile: options.lockFile }),
  );
  const stop = new AbortController();
  const all = { ...options, signal: AbortSignal.any([signal, stop.signal]) };
  const protector =
    options.protect && (await import("./manifest-protector.ts")).openManifestProtector(all, options.protect);
  const agent = new AgentLoop(all, protector);
  const beside = options.beside?.(all.signal);
  const { openAgentPages } = await import("./checkpointer-pages.ts");
  const pages = await openAgentPages(
    () => ({ report: reportOf(agent.view(), place, now()), view: agent.view() }),
    options,
  );
  try {
    log("info", "started", { node: place.nodeName, pod: place.podName ?? "", namespace: place.namespace });
    await agent.run();
  } finally {
    stop.abort();
    pages?.close();
    await beside;
    lock.release();
    log("info", "ended", {});
  }
}
