/** Ports for servers of tests. */
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";

// Below what the system gives to clients (32768 on Linux, 49152 elsewhere): a server that is stopped and started again
// finds its port free, also while other tests make connections.
const FIRST = 20_000;
const END = 32_768;

const given = new Set<number>();

/** Ports of the loopback that nobody listens on, none of them given twice in this process. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = randomInt(FIRST, END);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    ports.push(port);
  }
  return ports;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") return false;
    throw error;
  }
  server.close();
  await once(server, "close");
  return true;
}
