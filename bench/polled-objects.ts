/** Lists that are fetched again at an interval: what the watches of `start` are measured against. */
import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterApi } from "../src/io/api-server/cluster-api.ts";
import type { LiveObjects } from "../src/io/api-server/live-objects.ts";
import type { KubeObject } from "../src/kube/object.ts";
import type { ClusterView } from "../src/operations/start/cluster-view.ts";

export class PolledObjects implements Pick<LiveObjects, keyof ClusterView["live"]> {
  readonly #api: ClusterApi;
  readonly #paths: readonly string[];
  readonly #intervalMs: number;
  #lists: ReadonlyMap<string, readonly KubeObject[]> = new Map();
  #failure: unknown;

  constructor(api: ClusterApi, paths: readonly string[], intervalMs: number) {
    this.#api = api;
    this.#paths = paths;
    this.#intervalMs = intervalMs;
  }

  get(path: string): readonly KubeObject[] | undefined {
    return this.#lists.get(path);
  }

  get reachable(): boolean {
    return this.#failure === undefined;
  }

  get failure(): unknown {
    return this.#failure;
  }

  /** Waits for the next look, however much changes in the meantime. */
  async changed(_milliseconds: number, signal: AbortSignal): Promise<void> {
    await sleep(this.#intervalMs, undefined, { signal });
    try {
      const found = this.#paths.map(async (path) => [path, (await this.#api.list(path, signal)).items] as const);
      this.#lists = new Map(await Promise.all(found));
      this.#failure = undefined;
    } catch (error) {
      this.#failure = error;
    }
  }
}
