/** Runs inside a bed: takes listening sockets from the parent (see forwarder.ts) and carries each connection to its address in the bed. */
import { connect, type Server } from "node:net";

interface Target {
  /** What to answer with, once the socket is served. */
  readonly id: number;
  readonly host: string;
  readonly port: number;
}

process.on("message", (target: Target, server: Server) => {
  server.on("connection", (client) => {
    const upstream = connect({ ...target, noDelay: true });
    client.setNoDelay(true); // else each request and each answer waits for an acknowledgement, 40 ms
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      from.on("error", () => to.destroy());
      from.on("close", () => to.destroy());
      from.pipe(to);
    }
  });
  process.send?.(target.id);
});
// Without its parent it continues: a bed may outlive the process that made it. Removing the bed ends it.
process.on("disconnect", () => {});
