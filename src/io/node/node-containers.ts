/** The containers that the kubelet has started on this node, whoever runs them: a CRI runtime, or Docker through its own API. */

import { existsSync } from "node:fs";
import { type ContainerRuntime, findRuntimeEndpoint, openContainerRuntime } from "./container-runtime.ts";
import type { NodeContainers } from "./containers.ts";
import { DOCKER_SOCKET, openDocker } from "./docker.ts";
import type { LocalKubelet } from "./local-node.ts";

/** What the kubelet uses by default, before Kubernetes 1.24: itself, as an adapter to Docker. */
const DOCKERSHIM = /dockershim\.sock$/;

/**
 * Connects to the runtime that the kubelet uses, else to the one that is there. `told` is an endpoint such as
 * `unix:///run/crio/crio.sock`, or `unix:///var/run/docker.sock`. Undefined where there is none.
 */
export async function openNodeContainers(
  kubelet: LocalKubelet | undefined,
  given: string | undefined,
  signal?: AbortSignal,
): Promise<NodeContainers | undefined> {
  const endpoint = given ?? findRuntimeEndpoint(kubelet);
  const isDocker = endpoint === undefined || DOCKERSHIM.test(endpoint) || /docker\.sock$/.test(endpoint);
  if (!isDocker) return overCri(await openContainerRuntime(endpoint, { signal }));
  const socket = endpoint?.endsWith("docker.sock") ? endpoint.replace(/^unix:(\/\/)?/, "") : DOCKER_SOCKET;
  if (endpoint === undefined && !existsSync(socket)) return undefined;
  return await openDocker(socket, signal);
}

function overCri(runtime: ContainerRuntime): NodeContainers {
  return {
    runtime: `${runtime.version.name} ${runtime.version.version}`,
    async list() {
      const [sandboxes, containers] = [await runtime.podSandboxes(), await runtime.containers()];
      const pods = new Map(sandboxes.map(({ id, namespace, name }) => [id, `${namespace}/${name}`]));
      return [
        ...containers.map((each) => ({
          id: each.id,
          title: `${pods.get(each.sandboxId) ?? "?"}/${each.name}`,
          sandbox: false,
          running: each.state === "running" || each.state === "unknown",
        })),
        ...sandboxes.map((each) => ({
          id: each.id,
          title: `${each.namespace}/${each.name}`,
          sandbox: true,
          running: each.ready,
        })),
      ];
    },
    stop: ({ id, sandbox }, grace) => (sandbox ? runtime.stopPodSandbox(id) : runtime.stopContainer(id, grace)),
    async remove({ id, sandbox }) {
      if (!sandbox) return runtime.removeContainer(id);
      await runtime.stopPodSandbox(id); // also one that is not ready: that frees its network
      await runtime.removePodSandbox(id);
    },
    close: () => runtime.close(),
  };
}
