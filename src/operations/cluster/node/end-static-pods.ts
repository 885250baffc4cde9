/**
 * Ends the control plane's static pods, whose manifests are gone, through the container runtime. The kubelet gives each
 * container half a minute, and an API server whose etcd does not answer takes all of it. The runtime also shows whether
 * the kubelet has let go of a pod: it stops a pod's sandbox last, and starts nothing in it from then on.
 */
import { MendError } from "../../../errors/errors.ts";
import {
  type ContainerRuntime,
  findRuntimeEndpoint,
  openContainerRuntime,
} from "../../../io/node/container-runtime.ts";
import type { PodSandbox } from "../../../io/node/container-runtime-messages.ts";
import { findKubelet, isSameDirectory } from "../../../io/node/local-node.ts";
import { type ComponentName, recogniseComponent } from "../../../kube/component.ts";

/** Seconds to end by itself. etcd has to close its files; the others keep nothing. */
const graceOf = (component: ComponentName): number => (component === "etcd" ? 15 : 1);
const TIMEOUT_MS = 5000;

export interface StaticPods {
  /**
   * Asks what still runs to end, each container once. Returns the components whose pods the kubelet has not let go of: a
   * runtime that does not answer says what it said last, and nothing where it never did.
   */
  end(): Promise<readonly string[]>;
  /**
   * Stops the pods that the kubelet holds though nothing runs in them. One that has not seen that the manifest is gone
   * makes another sandbox at once; one that has, and may not end pods as long as it has not heard from an API server since
   * it started, does nothing.
   */
  stop(): Promise<void>;
  /**
   * Removes what has ended. A kubelet that finds an ended container of a pod waits before it starts the next one, up to
   * five minutes where it has ended often.
   */
  removeEnded(): Promise<void>;
  close(): void;
}

/** Of the kubelet that looks for manifests in this directory. Undefined where there is none, or no runtime to ask. */
export async function openStaticPods(
  directory: string,
  report: (text: string) => void,
  signal?: AbortSignal,
): Promise<StaticPods | undefined> {
  const kubelet = findKubelet();
  if (typeof kubelet?.staticPods !== "string" || !isSameDirectory(kubelet.staticPods, directory)) return undefined;
  const endpoint = findRuntimeEndpoint(kubelet);
  if (endpoint === undefined) return undefined;
  try {
    const runtime = await openContainerRuntime(endpoint, { timeout: TIMEOUT_MS, signal });
    return staticPodsOf(runtime, kubelet.nodeName, report);
  } catch (error) {
    if (!(error instanceof MendError)) throw error;
    return undefined; // the kubelet has a way of its own to it
  }
}

export function staticPodsOf(
  runtime: Omit<ContainerRuntime, "endpoint" | "cri" | "version">,
  nodeName: string,
  report: (text: string) => void,
): StaticPods {
  const asked = new Set<string>();
  let held: readonly string[] = [];
  const own = async (): Promise<{ readonly sandbox: PodSandbox; readonly component: ComponentName }[]> =>
    (await runtime.podSandboxes()).flatMap((sandbox) => {
      const { annotations, labels, name } = sandbox;
      if (annotations["kubernetes.io/config.source"] !== "file") return [];
      const found = recogniseComponent(labels, name, { nodeName });
      return found === undefined ? [] : [{ sandbox, component: found.component }];
    });
  const unlessSilent = async <T>(look: () => Promise<T>, otherwise: T): Promise<T> => {
    try {
      return await look();
    } catch (error) {
      if (!(error instanceof MendError)) throw error;
      report(error.message);
      return otherwise;
    }
  };
  const stop = (id: string, component: ComponentName): void => {
    if (asked.has(id)) return;
    asked.add(id);
    // The kubelet ends it as well, so that it may be gone: whether it has ended is looked at, and not believed.
    runtime.stopContainer(id, graceOf(component)).catch(() => asked.delete(id));
  };
  return {
    end: () =>
      unlessSilent(async () => {
        const pods = await own();
        const components = new Map(pods.map(({ sandbox, component }) => [sandbox.id, component]));
        for (const { id, sandboxId, state } of await runtime.containers()) {
          const component = components.get(sandboxId);
          if (component !== undefined && state === "running") stop(id, component);
        }
        held = [...new Set(pods.filter(({ sandbox }) => sandbox.ready).map(({ component }) => component))].sort();
        return held;
      }, held),
    stop: () =>
      unlessSilent(async () => {
        for (const { sandbox } of await own()) if (sandbox.ready) await runtime.stopPodSandbox(sandbox.id);
      }, undefined),
    async removeEnded() {
      const ended = (await unlessSilent(own, [])).filter(({ sandbox }) => !sandbox.ready);
      // Each by itself: the kubelet may be at work on one.
      for (const { sandbox } of ended) await unlessSilent(() => runtime.removePodSandbox(sandbox.id), undefined);
    },
    close: () => runtime.close(),
  };
}
