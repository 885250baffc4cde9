/**
 * The disruption budgets of namespaces where evictions were refused, kept up to date, so that a pod is asked for again
 * as soon as its budget allows it.
 */

import { ApiError, type ClusterApi } from "../../io/api-server/cluster-api.ts";
import type { LiveObjects } from "../../io/api-server/live-objects.ts";
import { isReady } from "../../kube/conditions.ts";
import { objectOf } from "../../kube/fields.ts";
import { labelSelectorText, readLabelSelector } from "../../kube/label-selector.ts";
import type { KubeObject } from "../../kube/object.ts";
import { isTerminating, phaseOf } from "../../kube/pod.ts";
import { allowedBy, budgetsOf, describeBudget } from "../../nodes/budget.ts";
import type { BudgetNote } from "./drain-events.ts";

/** Pods of a budget that are named as not ready. */
const NAMED = 3;

export class BudgetView {
  readonly #api: ClusterApi;
  readonly #live: LiveObjects;
  readonly #version: string;
  readonly #signal: AbortSignal;
  /** By namespace: whether its budgets may be read; undefined while that is being found out. */
  readonly #readable = new Map<string, boolean | undefined>();

  /** `version`: `policy/v1` or `policy/v1beta1`. */
  constructor(api: ClusterApi, live: LiveObjects, version: string, signal: AbortSignal) {
    this.#api = api;
    this.#live = live;
    this.#version = version;
    this.#signal = signal;
  }

  #path(namespace: string): string {
    return `/apis/${this.#version}/namespaces/${encodeURIComponent(namespace)}/poddisruptionbudgets`;
  }

  /** Begins to follow a namespace's budgets, unless that is so already. */
  follow(namespace: string): void {
    if (this.#readable.has(namespace)) return;
    this.#readable.set(namespace, undefined);
    const settle = (isReadable: boolean) => {
      this.#readable.set(namespace, isReadable);
      if (isReadable) this.#live.follow(this.#path(namespace));
      this.#live.wake();
    };
    // Asked once first: a watch would continue asking for what is forbidden.
    this.#api.request("GET", `${this.#path(namespace)}?limit=1`, undefined, { signal: this.#signal }).then(
      () => settle(true),
      (error: unknown) => settle(!(error instanceof ApiError && (error.status === 403 || error.status === 404))),
    );
  }

  /** Undefined as long as they are not known; "unreadable" where they will not be. */
  of(pod: KubeObject): readonly KubeObject[] | "unreadable" | undefined {
    const namespace = pod.metadata.namespace ?? "";
    if (this.#readable.get(namespace) === false) return "unreadable";
    const all = this.#readable.get(namespace) === true ? this.#live.get(this.#path(namespace)) : undefined;
    return all === undefined ? undefined : budgetsOf(pod, all);
  }

  /** What a refused pod's budgets say, with those of their pods that are not ready. */
  async notes(pod: KubeObject, budgets: readonly KubeObject[]): Promise<BudgetNote[]> {
    const notes: BudgetNote[] = [];
    for (const budget of budgets) {
      const state = describeBudget(budget, isReady(pod));
      notes.push({ ...state, unready: allowedBy(budget) > 0 ? [] : await this.#unreadyPods(budget) });
    }
    return notes;
  }

  async #unreadyPods(budget: KubeObject): Promise<string[]> {
    const selector = readLabelSelector(objectOf(budget.spec).selector);
    if (selector === undefined) return [];
    const namespace = encodeURIComponent(budget.metadata.namespace ?? "");
    const query = selector.length === 0 ? "" : `?labelSelector=${encodeURIComponent(labelSelectorText(selector))}`;
    try {
      const { items } = await this.#api.list(`/api/v1/namespaces/${namespace}/pods${query}`, this.#signal);
      const unready = items.filter((pod) => isTerminating(pod) || !isReady(pod));
      return unready
        .slice(0, NAMED)
        .map((pod) => `${pod.metadata.name} (${isTerminating(pod) ? "Terminating" : phaseOf(pod) || "not ready"})`);
    } catch (error) {
      if (error instanceof ApiError) return []; // A detail: without it the budget is named all the same.
      throw error;
    }
  }
}
