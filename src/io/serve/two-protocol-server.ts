/**
 * One port for two protocols: kubectl sends its token over TLS only, and a browser on the same machine takes plain HTTP
 * without a warning about an unknown authority. The first byte of a connection says which it is. Plain HTTP is for
 * loopback addresses; elsewhere it is refused.
 */
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { createServer, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { MendError } from "../../errors/errors.ts";
import { fromSystemError } from "../../errors/system-error.ts";

export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  readonly certificatePem: string;
  readonly privateKeyPem: string;
  readonly handle: (request: IncomingMessage, response: ServerResponse) => void;
  /** Requests that become something else than HTTP; without it, they are requests like any other. */
  readonly upgrade?: Upgrade;
  readonly patience?: Patience;
}

/** How long clients may take, in milliseconds: a client that sends a byte now and then must not hold a connection. */
interface Patience {
  /** Until the first byte, and for the TLS handshake. */
  readonly start: number;
  readonly head: number;
  readonly request: number;
  /** How often connections are looked at. */
  readonly check: number;
}

export interface Upgrade {
  readonly isWanted: (request: IncomingMessage) => boolean;
  /** Takes the connection over: `head` are the bytes that came behind the request. */
  readonly take: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
}

export interface Listening {
  readonly port: number;
  /** Ends every connection, open streams too. */
  close(): Promise<void>;
}

/** The first byte of a TLS handshake. */
const HANDSHAKE = 0x16;
const PATIENCE: Patience = { start: 10_000, head: 10_000, request: 30_000, check: 5000 };
/** More are closed at once. Clients open few, and each open one costs a descriptor. */
const MOST_CONNECTIONS = 1024;

export async function listen(options: ListenOptions): Promise<Listening> {
  const { host, port, certificatePem, privateKeyPem, handle, upgrade } = options;
  const plainAllowed = isLoopback(host);
  const shouldUpgradeCallback = (request: IncomingMessage) => upgrade?.isWanted(request) ?? false;
  const { start, head, request, check } = options.patience ?? PATIENCE;
  const http = {
    shouldUpgradeCallback,
    keepAliveTimeout: 60_000,
    headersTimeout: head,
    requestTimeout: request,
    connectionsCheckingInterval: check,
  };
  const tls = { cert: certificatePem, key: privateKeyPem, minVersion: "TLSv1.2", handshakeTimeout: start } as const;
  const secure = createHttpsServer({ ...tls, ...http }, handle);
  const plain = createHttpServer(http, handle);
  for (const server of [secure, plain]) {
    server.emit("listening"); // they never do, and without this event Node applies none of their timeouts
    server.on("clientError", (_error, socket) => socket.destroy());
    if (upgrade !== undefined)
      server.on("upgrade", (request, socket, head) => takeUpgrade(upgrade, request, socket, head));
  }
  secure.on("tlsClientError", (_error, socket) => socket.destroy());
  const sockets = new Set<Socket>();
  const front = createServer({ pauseOnConnect: false, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    socket.setTimeout(start, () => socket.destroy());
    socket.once("data", (first: Buffer) => {
      socket.setTimeout(0);
      socket.pause();
      socket.unshift(first);
      if (first[0] === HANDSHAKE) secure.emit("connection", socket);
      else if (plainAllowed) plain.emit("connection", socket);
      else socket.end("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\nThis port speaks HTTPS.\n");
      process.nextTick(() => socket.resume());
    });
  });
  front.maxConnections = MOST_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    front.once("error", (error) => reject(listenError(error, host, port)));
    front.listen({ host, port }, resolve);
  });
  const address = front.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : port,
    async close() {
      const closed = new Promise<void>((resolve) => front.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      secure.close();
      plain.close();
      await closed;
    },
  };
}

/** Node before 24.9 asks nobody whether a request is to be upgraded: those that are not wanted come here too. */
function takeUpgrade(upgrade: Upgrade, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  if (upgrade.isWanted(request)) upgrade.take(request, socket, head);
  else socket.end("HTTP/1.1 405 Method Not Allowed\r\nconnection: close\r\n\r\nNothing here can be connected to.\n");
}

export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\./.test(host);
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): unknown {
  const where = `${host}:${port}`;
  if (error.code === "EADDRINUSE")
    return new MendError("already-exists", "something else listens on this port", {
      where,
      hint: "give another port, or port 0 for any that is free",
    });
  if (error.code === "EADDRNOTAVAIL" || error.code === "ENOTFOUND")
    return new MendError("usage", `"${host}" is no address of this machine`, { where });
  return fromSystemError(error, "listen on", where);
}
