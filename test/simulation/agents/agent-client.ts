/** The agent's way to the simulated API servers: what it asks and watches, as long as one is reached. */
import { MendError } from "../../../src/errors/errors.ts";
import type { AgentApi } from "../../../src/io/agent/agent-api.ts";
import { ApiError } from "../../../src/io/api-server/cluster-api.ts";
import type { KubeObject } from "../../../src/kube/object.ts";
import type { ClusterState } from "./cluster-state.ts";
import type { SimulatedNode } from "./node.ts";
import { pause } from "./virtual-time.ts";

const LOOKS_EVERY_MS = 1000;

export function openApi(cluster: ClusterState, node: SimulatedNode): AgentApi {
  let server: SimulatedNode | undefined;
  const unreachable = (): MendError => new MendError("api-unreachable", "no API server answers");
  /** A server that is gone resets the connection; where the cable is out, nothing at all comes back. */
  const reach = async (signal?: AbortSignal): Promise<void> => {
    await pause(5, signal);
    if (node.isCut && cluster.reachedFrom(node) === undefined) await pause(3_600_000, signal);
    server = cluster.reachedFrom(node);
    if (server === undefined) throw unreachable();
  };
  const get = async (path: string, signal?: AbortSignal): Promise<KubeObject> => {
    await reach(signal);
    if (path.endsWith("/secrets/api-keys")) return cluster.secret();
    throw new ApiError("not-found", 404, { reason: "NotFound" }, path, "");
  };
  return {
    access: { server: new URL("https://api.example"), source: "kubeconfig" } as unknown as AgentApi["access"],
    get remoteAddress() {
      return server === node ? "127.0.0.1" : server?.address;
    },
    get: get as AgentApi["get"],
    create: async (path, _, signal) => {
      await reach(signal);
      throw new ApiError("permission-denied", 403, { reason: "Forbidden" }, path, "");
    },
    async list(_, signal) {
      await reach(signal);
      return { items: cluster.objectsOn(node.name), resourceVersion: String(cluster.revision) };
    },
    async *watch(_, signal) {
      await reach(signal);
      const of = server;
      let shown = new Map(cluster.objectsOn(node.name).map((pod) => [pod.metadata.uid ?? "", pod]));
      yield { type: "listed", objects: [...shown.values()] };
      for (let seen = cluster.revision; ; ) {
        await pause(LOOKS_EVERY_MS, signal);
        if (of === undefined || cluster.reachedFrom(node) === undefined || !cluster.serving().includes(of)) {
          if (node.isCut) await pause(3_600_000, signal);
          throw unreachable();
        }
        if (seen === cluster.revision) continue;
        seen = cluster.revision;
        const now = new Map(cluster.objectsOn(node.name).map((pod) => [pod.metadata.uid ?? "", pod]));
        for (const [uid, object] of now) {
          if (JSON.stringify(shown.get(uid)) !== JSON.stringify(object)) yield { type: "set", object };
        }
        for (const [uid, object] of shown) if (!now.has(uid)) yield { type: "deleted", object };
        shown = now;
      }
    },
    close: () => {},
  };
}
