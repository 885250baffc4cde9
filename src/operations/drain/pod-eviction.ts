/** One pod asked to leave: by the eviction API, which asks the budgets, or by plain deletion. */

import { ApiError, type ClusterApi, isConnectionError } from "../../io/api-server/cluster-api.ts";
import { objectsOf, textOf } from "../../kube/fields.ts";
import type { JsonObject, KubeObject } from "../../kube/object.ts";
import { isTerminating } from "../../kube/pod.ts";
import type { RemovalAnswer } from "../../nodes/removal-state.ts";
import { podPath } from "../cluster-access/node-targets.ts";

export type RemovalMethod =
  | { readonly by: "eviction"; readonly apiVersion: "policy/v1" | "policy/v1beta1" }
  | { readonly by: "deletion" };

/** By eviction where the server has it, in the version that it has: 1.22 brought policy/v1. */
export async function findRemovalMethod(api: ClusterApi, signal?: AbortSignal): Promise<RemovalMethod> {
  const { resources } = await api.request("GET", "/api/v1", undefined, { signal });
  const eviction = objectsOf(resources).find(({ name, kind }) => name === "pods/eviction" && kind === "Eviction");
  if (eviction === undefined) return { by: "deletion" };
  const apiVersion =
    textOf(eviction.group) === "policy" && textOf(eviction.version) === "v1" ? "policy/v1" : "policy/v1beta1";
  return { by: "eviction", apiVersion };
}

export interface RemovalChoices {
  /** Undefined: as the pod says. */
  readonly gracePeriodSeconds: number | undefined;
  readonly serverDryRun: boolean;
}

/** The pod of that UID only: its successor of the same name is left alone. Throws where the signal aborts. */
export async function removePod(
  api: ClusterApi,
  pod: KubeObject,
  method: RemovalMethod,
  choices: RemovalChoices,
  signal: AbortSignal,
): Promise<RemovalAnswer> {
  const { name, namespace, uid } = pod.metadata;
  const deleteOptions: JsonObject = {
    ...(choices.gracePeriodSeconds !== undefined && { gracePeriodSeconds: choices.gracePeriodSeconds }),
    ...(choices.serverDryRun && { dryRun: ["All"] }),
    ...(uid !== undefined && { preconditions: { uid } }),
  };
  try {
    if (method.by === "deletion") await api.delete(podPath(pod), deleteOptions, signal);
    else {
      const eviction = {
        apiVersion: method.apiVersion,
        kind: "Eviction",
        metadata: { name, namespace },
        deleteOptions,
      };
      await api.create(`${podPath(pod)}/eviction`, eviction as JsonObject, signal);
    }
    return { state: "accepted" };
  } catch (error) {
    return answerOf(error, pod, signal);
  }
}

function answerOf(error: unknown, pod: KubeObject, signal: AbortSignal): RemovalAnswer {
  signal.throwIfAborted();
  if (isConnectionError(error)) return { state: "undecided", message: (error as Error).message, isConnection: true };
  if (!(error instanceof ApiError)) throw error;
  const { status, message, causes } = error;
  if (status === 404) return { state: "gone" };
  if (status === 429) return { state: "refused", by: "budget", message };
  if (status === 403 && causes.includes("NamespaceTerminating")) {
    // Nothing can be created there any more, evictions included; its pods are deleted all the same.
    return isTerminating(pod) ? { state: "accepted" } : { state: "refused", by: "namespace", message };
  }
  // A conflict: the pod has changed, or is another by now, which the next look shows.
  if (status === 409 || status >= 500) return { state: "undecided", message, isConnection: false };
  return { state: "failed", message, status };
}
