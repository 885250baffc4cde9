/** A TCP proxy on loopback that cuts, corrupts or stalls what a server sends. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

export interface FaultyProxy {
  readonly endpoint: string;
  close(): Promise<void>;
}

/** After `bytes` bytes from the server: the connection is reset, one byte is changed, or nothing more comes. */
export async function startFaultyProxy(
  target: string,
  fault: "cut" | "corrupt" | "stall",
  bytes: number,
): Promise<FaultyProxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    let passed = 0;
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => sockets.delete(socket));
    }
    client.pipe(upstream);
    upstream.on("data", (chunk: Buffer) => {
      const at = bytes - passed;
      passed += chunk.length;
      if (at < 0 && fault === "stall") return;
      if (at < 0 || at >= chunk.length) {
        client.write(chunk);
      } else if (fault === "corrupt") {
        chunk[at]! ^= 1;
        client.write(chunk);
      } else {
        client.write(chunk.subarray(0, at));
        if (fault === "cut") client.resetAndDestroy();
      }
    });
    upstream.on("close", () => client.destroy());
    client.on("close", () => upstream.destroy());
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    endpoint: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
