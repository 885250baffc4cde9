/**
 * The pods of one node and namespace, as an API server has them, for an agent that outlives API servers: it always
 * knows whether it can be asked right now.
 */
import { networkInterfaces } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { MendError } from "../../errors/errors.ts";
import type { KubeObject } from "../../kube/object.ts";
import { Backoff, type BackoffOptions } from "../network/backoff.ts";
import type { AgentApi } from "./agent-api.ts";

const REQUEST_MS = 5000;
/** A connection that says nothing for so long is tried: a cable that was pulled closes none. */
const PROBE_MS = 10_000;
const SHORTEST_PAUSE_MS = 250;
/** Each node has an agent, and all of them lose the same API server: they do not come back in step. */
const RETRY: BackoffOptions = { firstMs: SHORTEST_PAUSE_MS, longestMs: 2000 };

export interface NodePodsOptions {
  /** Called for each attempt, because a token or a certificate may have been renewed meanwhile. The result is closed here. */
  readonly open: () => Promise<AgentApi>;
  readonly namespace: string;
  readonly nodeName: string;
  readonly signal: AbortSignal;
  /** Milliseconds that only go forward. */
  readonly clock: () => number;
  /** Called when the pods, or whether they can be asked for, have changed. */
  readonly changed: () => void;
}

export class NodePods {
  #pods: ReadonlyMap<string, KubeObject> | undefined;
  #api: AgentApi | undefined;
  #failure: Error | undefined;
  #asked = false;
  #lostAt: number | undefined;
  #heardAt = 0;
  #rest = new AbortController();
  readonly #path: string;
  readonly #options: NodePodsOptions;

  constructor(options: NodePodsOptions) {
    this.#options = options;
    const selector = encodeURIComponent(`spec.nodeName=${options.nodeName}`);
    this.#path = `/api/v1/namespaces/${options.namespace}/pods?fieldSelector=${selector}`;
  }

  /** Undefined while no API server can be asked. */
  get pods(): readonly KubeObject[] | undefined {
    return this.#pods === undefined ? undefined : [...this.#pods.values()];
  }

  /** The client that works, while there is one. */
  get api(): AgentApi | undefined {
    return this.#pods === undefined ? undefined : this.#api;
  }

  /** Whether the API server that answers has an address of this machine. */
  get isHere(): boolean {
    const address = this.api?.remoteAddress?.replace(/^::ffff:/, "");
    const own = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
    return address !== undefined && own.some((each) => each.address === address);
  }

  /** Why no API server can be asked. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Since when no API server can be asked, on the clock of the options. */
  get lostAt(): number | undefined {
    return this.#lostAt;
  }

  /** When one last said anything, on the same clock. */
  get heardAt(): number {
    return this.#heardAt;
  }

  /** Asks the API server for a word now, where it has nothing else to say. */
  confirm(): void {
    this.#rest.abort();
  }

  /** Whether an attempt has come to an end, one way or the other. */
  get asked(): boolean {
    return this.#asked;
  }

  /** Follows them until the signal aborts. */
  async run(): Promise<void> {
    const { signal } = this.#options;
    const backoff = new Backoff(RETRY);
    while (!signal.aborted) {
      try {
        const api = await this.#options.open();
        try {
          await this.#follow(api);
        } finally {
          api.close();
        }
      } catch (error) {
        if (signal.aborted) return;
        // One broken connection is none: another API server behind the same address may answer the next.
        const worked = this.#pods !== undefined;
        if (worked) backoff.reset();
        if (!worked || !(await this.#answers())) this.#lose(error);
      }
      await sleep(backoff.next(), undefined, { signal }).catch(() => {});
    }
  }

  async #follow(api: AgentApi): Promise<void> {
    const connection = new AbortController();
    const signal = AbortSignal.any([this.#options.signal, connection.signal]);
    const prober = this.#probe(api, signal).catch((error: unknown) => connection.abort(error));
    try {
      await this.#ask(api, signal); // a watch waits longer for its first answer than we do
      for await (const event of api.watch(this.#path, signal)) {
        this.#heardAt = this.#options.clock();
        if (event.type === "listed") {
          this.#pods = new Map(event.objects.map((pod) => [pod.metadata.uid ?? pod.metadata.name, pod]));
        } else {
          const pods = new Map(this.#pods);
          const key = event.object.metadata.uid ?? event.object.metadata.name;
          if (event.type === "set") pods.set(key, event.object);
          else pods.delete(key);
          this.#pods = pods;
        }
        this.#api = api;
        this.#failure = undefined;
        this.#lostAt = undefined;
        this.#asked = true;
        this.#options.changed();
      }
    } catch (error) {
      throw connection.signal.aborted ? connection.signal.reason : error;
    } finally {
      connection.abort();
      await prober;
    }
  }

  async #probe(api: AgentApi, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#rest = new AbortController();
      const { signal: asked } = this.#rest;
      await sleep(PROBE_MS, undefined, { signal: AbortSignal.any([signal, asked]) }).catch(() => {});
      if (signal.aborted) return;
      if (!asked.aborted && this.#options.clock() - this.#heardAt < PROBE_MS) continue;
      await this.#ask(api, signal);
      if (asked.aborted) this.#options.changed();
    }
  }

  /** Whether another connection gets an answer where one has just broken. */
  async #answers(): Promise<boolean> {
    try {
      await sleep(SHORTEST_PAUSE_MS, undefined, { signal: this.#options.signal });
      const api = await this.#options.open();
      try {
        await this.#ask(api, this.#options.signal);
        return true;
      } finally {
        api.close();
      }
    } catch {
      return false; // what the first one said is reported
    }
  }

  async #ask(api: AgentApi, signal: AbortSignal): Promise<void> {
    const limit = AbortSignal.timeout(REQUEST_MS);
    try {
      await api.list(`${this.#path}&limit=1`, AbortSignal.any([signal, limit]));
      this.#heardAt = this.#options.clock();
    } catch (error) {
      if (!limit.aborted || signal.aborted) throw error;
      throw new MendError("api-unreachable", `the API server at "${api.access.server.host}" does not answer`, {
        where: api.access.source,
        hint: "check that it runs, and that the kubeconfig names it",
        cause: error,
      });
    }
  }

  #lose(error: unknown): void {
    this.#failure = error instanceof Error ? error : new Error(String(error));
    this.#asked = true;
    this.#lostAt ??= this.#options.clock();
    this.#pods = undefined;
    this.#api = undefined;
    this.#options.changed();
  }
}
