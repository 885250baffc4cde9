/** A TCP proxy on loopback that hands on late what a server sends. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

export interface SlowProxy {
  readonly port: number;
  /** Milliseconds. */
  delay: number;
  close(): Promise<void>;
}

/** Leads to a port of loopback. */
export async function startSlowProxy(port: number, delay: number): Promise<SlowProxy> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect({ port, host: "127.0.0.1", noDelay: true });
    client.setNoDelay(true);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => sockets.delete(socket));
    }
    client.pipe(upstream);
    client.on("close", () => upstream.destroy());
    let order = Promise.resolve();
    const later = (hand: () => void): void => {
      const due = sleep(proxy.delay);
      order = order.then(() => due).then(hand);
    };
    upstream.on("data", (chunk: Buffer) => later(() => client.write(chunk)));
    upstream.on("close", () => later(() => client.destroy()));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const proxy: SlowProxy = {
    port: (server.address() as AddressInfo).port,
    delay,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
  return proxy;
}
