/** Writes all the time, to whichever member takes it, and notes what was acknowledged. */
import { setTimeout as sleep } from "node:timers/promises";
import { Chance } from "../chance.ts";
import type { Ledger } from "./acknowledged.ts";
import { put, remove } from "./gateway.ts";

const PAUSE_MS = 12;
const KEYS = 60;

export class Writer {
  readonly #ledger: Ledger;
  readonly #urls: readonly string[];
  readonly #chance: Chance;
  readonly #prefix: string;
  #isOver = false;
  #done: Promise<void> | undefined;
  #count = 0;
  #live = new Set<string>();

  constructor(ledger: Ledger, urls: readonly string[], seed: number, prefix: string) {
    this.#ledger = ledger;
    this.#urls = urls;
    this.#chance = new Chance(seed);
    this.#prefix = prefix;
  }

  start(): void {
    this.#isOver = false;
    this.#done = this.#run();
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#done;
  }

  async #run(): Promise<void> {
    let url = this.#chance.of(this.#urls);
    while (!this.#isOver) {
      const key = `/registry/configmaps/default/${this.#prefix}-${this.#chance.below(KEYS)}`;
      const usable = this.#ledger.isUnknown(key) ? `${key}-${this.#count}` : key;
      if (this.#ledger.isUnknown(usable)) continue;
      const removes = this.#live.has(usable) && this.#chance.in100(15);
      const value = removes ? undefined : this.#value(usable);
      try {
        const revision = value === undefined ? await remove(url, usable) : await put(url, usable, value);
        this.#ledger.acknowledge({ key: usable, value, revision });
        if (removes) this.#live.delete(usable);
        else this.#live.add(usable);
      } catch {
        this.#ledger.unknown(usable, value);
        url = this.#urls[(this.#urls.indexOf(url) + 1) % this.#urls.length] ?? url;
        await sleep(50);
      }
      await sleep(PAUSE_MS);
    }
  }

  #value(key: string): string {
    const name = key.slice(key.lastIndexOf("/") + 1);
    const filler = "x".repeat(this.#chance.in100(10) ? 20_000 : 200);
    const data = { count: String(++this.#count), filler };
    return JSON.stringify({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { namespace: "default", name, uid: `uid-${name}` },
      data,
    });
  }
}
