/**
 * Has kubelets look at static pods that they have passed over ({@link passedOver}): an annotation of the mirror pod is a
 * change of the pod to them. The annotation stays until the kubelet makes the mirror pod anew.
 */
import { passedOver } from "../../../cluster/since-restore.ts";
import { ApiError, type ClusterApi } from "../../../io/api-server/cluster-api.ts";
import type { KubeObject } from "../../../kube/object.ts";

const ANNOTATION = "kubemend.io/restored-by";
/** A kubelet that looks by itself has done so by then. */
const PATIENCE_MS = 2000;

export class KubeletNudge {
  readonly #names: readonly string[];
  readonly #id: string;
  /** When each was seen first, by its UID. */
  readonly #since = new Map<string, number>();
  readonly #done = new Set<string>();

  constructor(names: readonly string[], id: string) {
    this.#names = names;
    this.#id = id;
  }

  /** At every look; each pod is changed once at most. `now` in milliseconds of any clock. */
  async see(
    api: Pick<ClusterApi, "patch">,
    pods: readonly KubeObject[],
    now: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const held = new Map(passedOver({ pods }, this.#names).map((pod) => [pod.metadata.uid ?? pod.metadata.name, pod]));
    for (const uid of this.#since.keys()) if (!held.has(uid)) this.#since.delete(uid);
    for (const [uid, { metadata }] of held) {
      const since = this.#since.get(uid) ?? now;
      this.#since.set(uid, since);
      if (now - since < PATIENCE_MS || this.#done.has(uid)) continue;
      this.#done.add(uid);
      const path = `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}`;
      try {
        await api.patch(path, { metadata: { annotations: { [ANNOTATION]: this.#id } } }, signal);
      } catch (error) {
        // It is gone, or somebody forbids it: its turn comes by itself.
        if (!(error instanceof ApiError) || error.status >= 500) throw error;
      }
    }
  }
}
