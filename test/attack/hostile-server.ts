/**
 * What the servers that misbehave have in common: they listen on the loopback, count who comes, and end all connections
 * when they are closed.
 */
import { once } from "node:events";
import type { AddressInfo, Server, Socket } from "node:net";

export interface HostileServer {
  readonly url: string;
  readonly port: number;
  /** Connections that were made so far. */
  readonly connections: number;
  /** Requests that came by HTTP. */
  readonly requests: number;
  close(): void;
}

/** Listens, on a port of its own or a unix socket. `asked` is the event of the server for each request. */
export async function listenHostile(
  server: Server,
  asked: "request" | "stream",
  path?: string,
): Promise<HostileServer> {
  const sockets = new Set<Socket>();
  let connections = 0;
  let requests = 0;
  server.on(asked, () => requests++);
  server.on("connection", (socket: Socket) => {
    connections++;
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  });
  if (path === undefined) server.listen(0, "127.0.0.1");
  else server.listen(path);
  await once(server, "listening");
  const port = path === undefined ? (server.address() as AddressInfo).port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    get connections() {
      return connections;
    },
    get requests() {
      return requests;
    },
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
