/**
 * One agent a node. The lock is an abstract socket named for the lock file: the kernel gives it to one process of the node's network and takes it back when that
 * ends, however it ends. Node has no flock, which the original used, and a file alone cannot tell a holder from a dead one. The file says who holds it.
 */
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { dirname, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fromSystemError, systemCode } from "../files/system-error.ts";

const RETRY_MS = 500;

export interface AgentLock {
  release(): Promise<void>;
}

/** Waits for it. `waiting` is called once where another process has it. Throws the signal's reason. */
export async function takeAgentLock(path: string, signal: AbortSignal, waiting: () => void): Promise<AgentLock> {
  const file = resolve(path);
  const name = `\0kubemend-${createHash("sha256").update(file).digest("hex").slice(0, 40)}`;
  let told = false;
  for (;;) {
    signal.throwIfAborted();
    const held = await listen(name);
    if (held !== undefined) {
      const { server, waiters } = held;
      try {
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, `${process.pid}\n`, { mode: 0o600 });
      } catch (error) {
        server.close();
        throw fromSystemError(error, "write the lock file", file);
      }
      return {
        release: () =>
          new Promise((done) => {
            server.close(() => done());
            for (const waiter of waiters) waiter.destroy();
          }),
      };
    }
    if (!told) waiting();
    told = true;
    await holderEnds(name, signal);
  }
}

/** Undefined where another process has the name. Who waits stays connected, and learns of our end by that. */
function listen(name: string): Promise<{ readonly server: Server; readonly waiters: Set<Socket> } | undefined> {
  return new Promise((done, fail) => {
    const waiters = new Set<Socket>();
    const server = createServer((waiter) => {
      waiters.add(waiter);
      waiter.unref();
      waiter.on("error", () => waiter.destroy()); // it ended first
      waiter.on("close", () => waiters.delete(waiter));
      waiter.resume();
    });
    server.once("error", (error) => (systemCode(error) === "EADDRINUSE" ? done(undefined) : fail(error)));
    server.listen({ path: name }, () => {
      server.unref();
      done({ server, waiters });
    });
  });
}

async function holderEnds(name: string, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  await new Promise<void>((done) => {
    const socket = connect({ path: name });
    const abort = () => socket.destroy();
    signal.addEventListener("abort", abort, { once: true });
    socket.on("error", () => {}); // it ended between two looks
    socket.on("close", () => {
      signal.removeEventListener("abort", abort);
      done();
    });
    socket.resume();
  });
  await sleep(RETRY_MS * Math.random(), undefined, { signal });
}
