/** The API server that a start works with: one that answers already, or the temporary one, until it is ready. */
import { setTimeout as sleep } from "node:timers/promises";
import type { TemporaryPod } from "../../bootstrap/pivot.ts";
import type { BootstrapManifest, StartPlan } from "../../bootstrap/start-plan.ts";
import type { StartSeen } from "../../bootstrap/start-state.ts";
import { MendError } from "../../errors/errors.ts";
import { ApiError, type ClusterApi, isConnectionError } from "../../io/api-server/cluster-api.ts";
import { objectOf, objectsOf, textOf } from "../../kube/fields.ts";
import { etcdFailure } from "./bring-etcd-back.ts";
import type { StartMachine } from "./machine.ts";
import type { Start, StartOptions } from "./start-options.ts";
import { REPEAT_MS } from "./waiting-report.ts";

const POLL_MS = 200;
/** How long the temporary one may take until its container runs, before that is looked into. */
const UNSTARTED_MS = 10_000;
/** How long an API server that has started gets to become ready. */
const YOUNG_MS = 30_000;

/**
 * Whether a temporary API server of ours runs. A kubelet that has never reached an API server keeps the pods whose
 * manifests were taken away, so one may outlive its start by any time. With its manifest back it is the kubelet's
 * again.
 */
export function ownApiServerRuns(
  plan: StartPlan,
  machine: StartMachine,
  node: string,
  leftover: readonly string[],
): boolean {
  const own = plan.pods.filter(({ component }) => component === "kube-apiserver");
  if (own.some(({ fileName }) => leftover.some((path) => path.endsWith(`/${fileName}`)))) return true;
  const running = machine.runningContainers();
  return temporaryPods(own, machine, node).some(({ containers }) => containers.some((id) => running.has(id)));
}

/**
 * Whether this cluster's API server answers already. One that is on its way up, from an earlier start, gets some time.
 * Throws `port-taken` where another program has the port of the temporary one.
 */
export async function hasApiServer(
  api: ClusterApi,
  pods: readonly BootstrapManifest[],
  options: StartOptions,
): Promise<boolean> {
  const { machine } = options;
  const giveUp = options.now() + YOUNG_MS;
  for (;;) {
    const { state } = await apiServerState(api, options.signal);
    if (state === "ready") return true;
    const taken = pods.find(({ port }) => port !== undefined && machine.listenerOf(port) !== undefined);
    if (taken?.port === undefined) return false;
    if (state === "unreachable" || options.now() > giveUp) {
      throw new MendError(
        "port-taken",
        `port ${taken.port}, which "${taken.pod.metadata.name}" needs, is taken by ` +
          `"${machine.listenerOf(taken.port) ?? "a program that has just ended"}"`,
        { hint: "stop that program; if it is this cluster's API server, see why it does not become ready" },
      );
    }
    await sleep(POLL_MS, undefined, { signal: options.signal });
  }
}

export interface ApiServerState {
  readonly state: "ready" | "young" | "unreachable";
  /** Why it is not ready, as the client says. */
  readonly reason: string;
}

/** Throws what is wrong where what answers is not this cluster's, or nobody that knows us. */
export async function apiServerState(api: ClusterApi, signal: AbortSignal): Promise<ApiServerState> {
  try {
    await api.text("/readyz", signal);
    await api.get("/api/v1/namespaces/kube-system", signal);
    return { state: "ready", reason: "" };
  } catch (error) {
    // A new API server makes that namespace itself.
    if (error instanceof ApiError && (error.status >= 500 || error.status === 404))
      return { state: "young", reason: error.message };
    if (isConnectionError(error)) return { state: "unreachable", reason: (error as Error).message };
    throw error;
  }
}

/** One look at the API server, with what is waited for while it is not ready. Throws what is wrong where it is not this cluster's. */
export async function lookAtApiServer(
  start: Start,
  failure: () => Promise<string>,
): Promise<{ readonly api: StartSeen["api"]; readonly waitingFor: string; readonly refusal: ApiError | undefined }> {
  const { options, api } = start;
  const waitingFor = async (why: string) => `the API server to be ready${why}${await failure()}`;
  try {
    const { state, reason } = await apiServerState(api, options.signal);
    if (state === "ready") return { api: state, waitingFor: "", refusal: undefined };
    const port = temporaryApiServer(start)?.port;
    const listens = port !== undefined && options.machine.listenerOf(port) !== undefined;
    const why = state === "unreachable" && listens ? `, which listens on port ${port} here: ${reason}` : "";
    return { api: state, waitingFor: await waitingFor(why), refusal: undefined };
  } catch (error) {
    options.signal.throwIfAborted();
    if (!(error instanceof ApiError)) throw error;
    return { api: "refusing", waitingFor: await waitingFor(`: ${error.message}`), refusal: error };
  }
}

/** What keeps it from being ready, as far as this machine shows; empty while it may just need its time. */
export function apiServerFailureReport(start: Start): () => Promise<string> {
  const { etcd, node, options } = start;
  let since = options.now();
  let hadStarted = false;
  let explanation = "";
  return async () => {
    const log = ownLog(start);
    const hasStarted = log !== undefined;
    if (hasStarted !== hadStarted) [since, hadStarted, explanation] = [options.now(), hasStarted, ""];
    if (options.now() - since < (hasStarted ? REPEAT_MS : UNSTARTED_MS)) return explanation;
    since = options.now();
    const own = hasStarted ? `; it says last: ${log.join(" / ")}` : await whyNotStarted(start);
    explanation = (etcd && etcdFailure(etcd, options.machine, node, beganAt(start))) || own;
    return explanation;
  };
}

async function whyNotStarted(start: Start): Promise<string> {
  const own = temporaryApiServer(start);
  if (own === undefined) return "";
  const images = imagesOf(own);
  const absent = await start.options.machine.absentImages(start.kubelet, images, start.options.signal);
  if (absent?.length === 0) return "; its container has not started, though its image is here: see the kubelet's log";
  const names = (absent ?? images).map((image) => `"${image}"`).join(", ");
  return absent === undefined
    ? `; it has not started: is the image ${names} on this node, or can it be pulled?`
    : `; it has not started: the image ${names} is not on this node, and the kubelet has not pulled it yet`;
}

export function imagesOf({ pod }: BootstrapManifest): string[] {
  const { initContainers, containers } = objectOf(pod.spec);
  return [...objectsOf(initContainers), ...objectsOf(containers)].map(({ image }) => textOf(image));
}

/** The last that the temporary API server has logged; undefined before it has started, and where there is none. */
function ownLog(start: Start): readonly string[] | undefined {
  const own = temporaryApiServer(start)?.pod.metadata;
  return own && start.options.machine.staticPodLog(own.namespace ?? "default", own.name, start.node, 3, beganAt(start));
}

/** When this start was ready to place its files, in milliseconds since the epoch. */
function beganAt({ deadline, options }: Start): number {
  return deadline - options.timeoutMs;
}

function temporaryApiServer({ pods }: Start): BootstrapManifest | undefined {
  return pods.find(({ component }) => component === "kube-apiserver");
}

export function temporaryPods(pods: readonly BootstrapManifest[], machine: StartMachine, node: string): TemporaryPod[] {
  return pods.map(({ pod }) => {
    const namespace = pod.metadata.namespace ?? "default";
    const name = `${pod.metadata.name}-${node}`;
    return { namespace, name, containers: machine.staticPodContainers(namespace, name) };
  });
}
