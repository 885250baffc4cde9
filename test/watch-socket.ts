/** A client that watches over a WebSocket until it has as many messages as it wants, or the server closes it. */
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { WebSocket } from "ws";

export interface WatchedSocket {
  /** The protocol that the server chose; empty where it chose none. */
  readonly protocol: string;
  readonly messages: readonly string[];
}

/** `refused`: the status and the body of the answer where the server does not open a socket. */
export class RefusedSocket extends Error {
  readonly status: number;
  readonly body: string;

  constructor(status: number, body: string) {
    super(`refused with ${status}: ${body}`);
    this.status = status;
    this.body = body;
  }
}

export async function watchSocket(
  server: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  protocols: readonly string[] = [],
  wanted = Number.POSITIVE_INFINITY,
): Promise<WatchedSocket> {
  const url = new URL(path, server.replace(/^http/, "ws"));
  const options = { headers, origin: server, rejectUnauthorized: false };
  const socket = new WebSocket(url, [...protocols], options);
  const messages: string[] = [];
  socket.on("message", (data: Buffer) => {
    if (messages.push(data.toString("utf8")) >= wanted) socket.close();
  });
  const refused = new Promise<never>((_resolve, reject) => {
    socket.on("unexpected-response", async (_request: unknown, response: IncomingMessage) => {
      const parts: Buffer[] = [];
      for await (const part of response as AsyncIterable<Buffer>) parts.push(part);
      reject(new RefusedSocket(response.statusCode ?? 0, Buffer.concat(parts).toString("utf8")));
      socket.terminate();
    });
  });
  refused.catch(() => {}); // raced below
  await Promise.race([once(socket, "close").catch(() => {}), refused]);
  await new Promise(setImmediate);
  return { protocol: socket.protocol, messages };
}
