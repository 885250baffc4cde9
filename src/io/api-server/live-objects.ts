/** Lists of objects kept up to date by watches, through outages of the API server. */

import { setTimeout as sleep } from "node:timers/promises";
import { namespacedName } from "../../kube/names.ts";
import type { KubeObject } from "../../kube/object.ts";
import { Backoff, type BackoffOptions } from "../network/backoff.ts";
import { type ClusterApi, isConnectionError, type WatchChoices } from "./cluster-api.ts";
import { Refusals } from "./refusals.ts";

/** One command is no crowd, and somebody waits for it: it asks again soon. */
const RETRY: BackoffOptions = { firstMs: 250, longestMs: 2000 };

export class LiveObjects {
  readonly #lists = new Map<string, Map<string, KubeObject>>();
  readonly #unreachable = new Map<string, unknown>();
  readonly #api: ClusterApi;
  readonly #signal: AbortSignal;
  #failure: unknown;
  #resolve: () => void = () => {};
  /** Something has changed that nobody has waited for yet. */
  #isNews = false;

  /** Follows these collections until the signal aborts. */
  constructor(api: ClusterApi, paths: readonly string[], signal: AbortSignal) {
    this.#api = api;
    this.#signal = signal;
    for (const path of paths) this.follow(path);
  }

  /** Follows one more collection. */
  follow(path: string, choices: WatchChoices = {}): void {
    this.#follow(path, choices).catch((error: unknown) => {
      if (this.#signal.aborted) return;
      this.#failure = error;
      this.wake();
    });
  }

  /** Ends the wait of {@link changed}, for a change that comes from elsewhere. */
  wake(): void {
    this.#isNews = true;
    this.#resolve();
  }

  /** What is known now; undefined before the first answer. Throws what ended the watch, if something did. */
  get(path: string): readonly KubeObject[] | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    const list = this.#lists.get(path);
    return list === undefined ? undefined : [...list.values()];
  }

  /** Whether all watches are connected, as far as is known. */
  get reachable(): boolean {
    return this.#unreachable.size === 0;
  }

  /** Why one of them is not. */
  get failure(): unknown {
    return this.#unreachable.values().next().value;
  }

  /** Resolves at the next change since it last did, or after that long. Throws when the signal aborts. */
  async changed(milliseconds: number, signal: AbortSignal): Promise<void> {
    const done = new AbortController();
    const woken = new Promise<void>((resolve) => {
      this.#resolve = resolve;
    });
    try {
      if (!this.#isNews)
        await Promise.race([woken, sleep(milliseconds, undefined, { signal: AbortSignal.any([signal, done.signal]) })]);
    } finally {
      done.abort();
      this.#isNews = false;
    }
    signal.throwIfAborted();
  }

  async #follow(path: string, choices: WatchChoices): Promise<void> {
    const signal = this.#signal;
    const refusals = new Refusals();
    const backoff = new Backoff(RETRY);
    while (!signal.aborted) {
      let opened = Number.POSITIVE_INFINITY;
      try {
        for await (const event of this.#api.watch(
          path,
          signal,
          this.#lists.has(path) ? { ...choices, fromCache: false } : choices,
        )) {
          this.#unreachable.delete(path);
          if (event.type === "listed") {
            opened = performance.now();
            backoff.reset();
            this.#lists.set(path, new Map(event.objects.map((object) => [namespacedName(object), object])));
          } else if (event.type === "set") {
            this.#lists.get(path)?.set(namespacedName(event.object), event.object);
          } else {
            this.#lists.get(path)?.delete(namespacedName(event.object));
          }
          this.wake();
        }
      } catch (error) {
        if (signal.aborted) return;
        refusals.noteEnd(performance.now() - opened);
        if (await refusals.isFinal(error, this.#api, signal)) throw error;
        if (!isConnectionError(error) && !isPassing(error)) throw error;
        this.#unreachable.set(path, error);
        this.wake();
        await sleep(backoff.next(), undefined, { signal });
      }
    }
  }
}

/** An API server that starts or stops answers with 5xx, 429, and with 401 or 403 before it has read who may do what. */
function isPassing(error: unknown): boolean {
  const status = (error as { status?: unknown }).status;
  return typeof status === "number" && (status >= 500 || status === 429 || status === 401 || status === 403);
}
