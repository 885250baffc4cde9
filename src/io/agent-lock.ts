/**
 * One agent a node. The lock is an abstract socket named for the lock file: the kernel gives it to one process of the node's network and takes it back when that
 * ends, however it ends. Node has no flock, which the original used, and a file alone cannot tell a holder from a dead one. The file says who holds it.
 */
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { dirname, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fromSystemError, systemCode } from "./system-error.ts";

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
    const server = await listen(name);
    if (server !== undefined) {
      try {
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, `${process.pid}\n`, { mode: 0o600 });
      } catch (error) {
        server.close();
        throw fromSystemError(error, "write the lock file", file);
      }
      return { release: () => new Promise((done) => server.close(() => done())) };
    }
    if (!told) waiting();
    told = true;
    await holderEnds(name, signal);
  }
}

/** Undefined where another process has the name. */
function listen(name: string): Promise<Server | undefined> {
  return new Promise((done, fail) => {
    const server = createServer(() => {}); // a waiting agent stays connected, and learns of our end by that
    server.once("error", (error) => (systemCode(error) === "EADDRINUSE" ? done(undefined) : fail(error)));
    server.listen({ path: name }, () => {
      server.unref();
      done(server);
    });
  });
}

async function holderEnds(name: string, signal: AbortSignal): Promise<void> {
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
