/** The API server that a start works with: one that answers already, or the temporary one, until it is ready. */
import { setTimeout as sleep } from "node:timers/promises";
import type { TemporaryPod } from "../bootstrap/pivot.ts";
import type { BootstrapManifest, StartPlan } from "../bootstrap/start-plan.ts";
import { objectOf, objectsOf, textOf } from "../controlplane/fields.ts";
import { MendError } from "../errors.ts";
import { ApiError, type ClusterApi, isConnectionError } from "../io/cluster-api.ts";
import { listenerOf, runningContainers, staticPodContainers, staticPodLog } from "../io/local-node.ts";
import { etcdTrouble } from "./bring-etcd-back.ts";
import type { Start, StartOptions } from "./prepare-start.ts";
import { REPEAT_MS, waitingLine } from "./start-waiting.ts";

const POLL_MS = 200;
/** How long an API server may refuse a credential before it is taken for another cluster's. */
const REFUSAL_MS = 10_000;
/** How long the temporary one may take until its container runs, before that is looked into. */
const UNSTARTED_MS = 5000;
/** How long an API server that has started gets to become ready. */
const YOUNG_MS = 30_000;

/**
 * Whether a temporary API server of ours runs. A kubelet that has never reached an API server keeps the pods whose manifests were taken away, so
 * one may outlive its start by any time. With its manifest back it is the kubelet's again.
 */
export function ownApiServerRuns(plan: StartPlan, node: string, leftover: readonly string[]): boolean {
  const own = plan.pods.filter(({ component }) => component === "kube-apiserver");
  if (own.some(({ fileName }) => leftover.some((path) => path.endsWith(`/${fileName}`)))) return true;
  const running = runningContainers();
  return temporaryPods(own, node).some(({ containers }) => containers.some((id) => running.has(id)));
}

/**
 * Whether this cluster's API server answers already. One that is on its way up, from an earlier start, gets some time. Throws `port-taken` where
 * another program has the port of the temporary one.
 */
export async function hasApiServer(
  api: ClusterApi,
  pods: readonly BootstrapManifest[],
  options: StartOptions,
): Promise<boolean> {
  const giveUp = options.now() + YOUNG_MS;
  for (;;) {
    const state = await apiServerState(api, options.signal);
    if (state === "ready") return true;
    const taken = pods.find(({ port }) => port !== undefined && listenerOf(port) !== undefined);
    if (taken === undefined) return false;
    if (state === "unreachable" || options.now() > giveUp) {
      throw new MendError(
        "port-taken",
        `port ${taken.port}, which "${taken.pod.metadata.name}" needs, is taken by "${listenerOf(taken.port!) ?? "a program that has just ended"}"`,
        { hint: "stop that program; if it is this cluster's API server, see why it does not become ready" },
      );
    }
    await sleep(POLL_MS, undefined, { signal: options.signal });
  }
}

/** Throws what is wrong where what answers is not this cluster's, or nobody that knows us. */
async function apiServerState(api: ClusterApi, signal: AbortSignal): Promise<"ready" | "young" | "unreachable"> {
  try {
    await api.request("GET", "/readyz", undefined, { signal });
    await api.get("/api/v1/namespaces/kube-system", signal);
    return "ready";
  } catch (error) {
    if (error instanceof ApiError && error.status >= 500) return "young";
    if (isConnectionError(error)) return "unreachable";
    throw error;
  }
}

export async function waitForApiServer(start: Start): Promise<void> {
  const { options, api } = start;
  const waiting = waitingLine(start);
  const began = options.now();
  let trouble = "";
  let lookedAt = began;
  let last: unknown;
  for (;;) {
    try {
      if ((await apiServerState(api, options.signal)) === "ready") break;
      last = undefined;
    } catch (error) {
      options.signal.throwIfAborted();
      const mayBeYoung = error instanceof ApiError && options.now() - began < REFUSAL_MS;
      if (!mayBeYoung) throw error;
      last = error;
    }
    // An image that is missing is worth saying soon, and an API server that runs often needs nothing but its time.
    const isDue = options.now() - lookedAt >= (hasStarted(start) ? REPEAT_MS : UNSTARTED_MS);
    if (isDue) {
      lookedAt = options.now();
      trouble = (start.etcd && etcdTrouble(start.etcd, start.node)) || apiServerTrouble(start);
    }
    const refusal = last instanceof Error ? `: ${last.message}` : "";
    waiting([`the API server to be ready${refusal}${trouble}`]);
    await sleep(POLL_MS, undefined, { signal: options.signal });
  }
  options.tell("the API server is ready");
}

function hasStarted(start: Start): boolean {
  return ownLog(start) !== undefined;
}

/** What the temporary API server's log says, or that there is none. */
function apiServerTrouble(start: Start): string {
  const own = temporaryApiServer(start);
  if (own === undefined) return "";
  const log = ownLog(start);
  if (log !== undefined) return `; it says last: ${log.join(" / ")}`;
  const images = objectsOf(objectOf(own.pod.spec).containers).map(({ image }) => `"${textOf(image)}"`);
  return `; it has not started: is the image ${images.join(", ")} on this node, or can it be pulled?`;
}

/** The last that the temporary API server has logged; undefined before it has started, and where there is none. */
function ownLog(start: Start): string[] | undefined {
  const own = temporaryApiServer(start)?.pod.metadata;
  return own && staticPodLog(own.namespace ?? "default", own.name, start.node, 3);
}

function temporaryApiServer({ pods }: Start): BootstrapManifest | undefined {
  return pods.find(({ component }) => component === "kube-apiserver");
}

export function temporaryPods(pods: readonly BootstrapManifest[], node: string): TemporaryPod[] {
  return pods.map(({ pod }) => {
    const namespace = pod.metadata.namespace ?? "default";
    const name = `${pod.metadata.name}-${node}`;
    return { namespace, name, containers: staticPodContainers(namespace, name) };
  });
}
