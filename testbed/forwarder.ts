/**
 * The way into a bed for tests: ports on this machine's loopback whose connections come out inside the bed. A listening
 * socket belongs to the namespace it was made in, wherever it is used: this process makes it, and hands it to a child
 * that lives in the bed.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import type { Bed } from "./bed.ts";
import { markedEnvironment } from "./processes.ts";

export class Forwarder {
  readonly #bed: Bed;
  #child: ChildProcess | undefined;
  #pending = 0;

  constructor(bed: Bed) {
    this.#bed = bed;
  }

  /** Opens a port of 127.0.0.1 that leads to an address inside the bed. Returns the port. */
  async open(host: string, port: number): Promise<number> {
    this.#child ??= this.#start();
    const child = this.#child;
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("a TCP server has no port");
    const taken = new Promise<void>((resolve, reject) => {
      const onMessage = (message: unknown) => {
        if (message !== address.port) return;
        child.off("message", onMessage);
        resolve();
      };
      child.on("message", onMessage);
      child.once("exit", () => reject(new Error("the bed's forwarder has ended")));
    });
    this.#pending++;
    child.channel?.ref();
    child.send({ id: address.port, host, port }, server);
    await taken;
    if (--this.#pending === 0) child.channel?.unref();
    server.close(); // the child's copy continues listening
    return address.port;
  }

  /** Lets this process end while the child continues. */
  release(): void {
    this.#child?.disconnect();
  }

  #start(): ChildProcess {
    const program = join(import.meta.dirname, "forward-child.ts");
    const child = spawn("nsenter", [`--net=/run/netns/${this.#bed.namespace()}`, "--", process.execPath, program], {
      detached: true,
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      env: markedEnvironment(this.#bed.id, "forwarder"),
    });
    child.setMaxListeners(0);
    child.on("error", () => {}); // shows as its exit
    child.unref();
    child.channel?.unref();
    return child;
  }
}
