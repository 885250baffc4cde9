/**
 * One agent a node: a lock of the kernel's on the lock file, which ends with the process, however that ends. It holds
 * between agents in containers with networks and process ids of their own, as long as they have the file in common, and
 * no other user can take it.
 */
import { lstatSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { realFileSystem } from "../files/durable/file-system.ts";
import { takeLastingLock } from "../files/durable/lasting-lock.ts";

const RETRY_MS = 500;

export interface AgentLock {
  release(): void;
}

/** Waits for it. `waiting` is called once where another process has it. Throws the signal's reason. */
export async function takeAgentLock(path: string, signal: AbortSignal, waiting: () => void): Promise<AgentLock> {
  const file = resolve(path);
  if (lstatSync(dirname(file), { throwIfNoEntry: false }) === undefined) {
    realFileSystem.makeDirectory(dirname(file), 0o755);
  }
  for (let isFirst = true; ; isFirst = false) {
    signal.throwIfAborted();
    const lock = takeLastingLock(file);
    if (lock !== undefined) return lock;
    if (isFirst) waiting();
    await sleep(RETRY_MS * (0.5 + Math.random()), undefined, { signal });
  }
}
