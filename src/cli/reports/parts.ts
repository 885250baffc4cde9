/** Text on its way to stdout, in parts of some size. */
import type { Host } from "../host.ts";

const PART = 64 * 1024;

export class Parts {
  readonly #host: Host;
  #pending = "";

  constructor(host: Host) {
    this.#host = host;
  }

  write(text: string): Promise<void> | undefined {
    this.#pending += text;
    return this.#pending.length < PART ? undefined : this.end();
  }

  async end(): Promise<void> {
    this.#host.signal.throwIfAborted();
    const text = this.#pending;
    this.#pending = "";
    await this.#host.stdout.write(text);
  }
}
