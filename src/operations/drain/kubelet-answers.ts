/** Whether the kubelets of the nodes that are drained still answer, asked again now and then while a pod takes too long. */
import type { ClusterApi } from "../../io/api-server/cluster-api.ts";
import { isNodeReady } from "../../kube/node-state.ts";
import type { KubeObject } from "../../kube/object.ts";
import { nodePath } from "../cluster-access/node-targets.ts";

const LOOK_AGAIN_MS = 15_000;

export class KubeletAnswers {
  readonly #api: Pick<ClusterApi, "get">;
  readonly #now: () => number;
  readonly #known = new Map<string, { readonly answers: boolean; readonly lookedAt: number }>();
  readonly #looking = new Set<string>();

  /** `nodes` as they were read just now. */
  constructor(api: Pick<ClusterApi, "get">, nodes: readonly KubeObject[], now: () => number) {
    this.#api = api;
    this.#now = now;
    for (const node of nodes) this.#known.set(node.metadata.name, { answers: isNodeReady(node), lookedAt: now() });
  }

  /** Undefined for other nodes. */
  of(node: string): boolean | undefined {
    return this.#known.get(node)?.answers;
  }

  /** Reads the node again, unless that was done a short while ago. `changed` is called when there is an answer. */
  lookAt(name: string, signal: AbortSignal, changed: () => void): void {
    const known = this.#known.get(name);
    if (known === undefined || this.#looking.has(name) || this.#now() - known.lookedAt < LOOK_AGAIN_MS) return;
    this.#looking.add(name);
    const settle = (answers: boolean) => {
      this.#looking.delete(name);
      this.#known.set(name, { answers, lookedAt: this.#now() });
    };
    this.#api.get(nodePath(name), signal).then(
      (node) => {
        settle(isNodeReady(node));
        changed();
      },
      () => settle(known.answers), // What is known of it stays; the watches show whether the API server answers.
    );
  }
}
