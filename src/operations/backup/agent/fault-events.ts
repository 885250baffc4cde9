/** Reports faults as Kubernetes Events of the node, where the API server answers: `kubectl describe node` shows them. */
import { createHash } from "node:crypto";
import { MendError } from "../../../errors/errors.ts";
import { escapeText } from "../../../errors/unsafe-text.ts";
import { ClusterApi } from "../../../io/api-server/cluster-api.ts";
import { readKubeconfig } from "../../../io/api-server/kubeconfig.ts";
import type { JsonObject } from "../../../kube/object.ts";
import type { AgentOptions } from "./agent-options.ts";
import type { AgentFault } from "./agent-report.ts";
import type { FaultListener } from "./webhook.ts";

/** Events of objects without a namespace are in this one. */
const NAMESPACE = "default";
const MOST_TEXT = 1024;

export function createFaultEvents({
  eventsKubeconfig,
  writer,
  log,
  now,
  signal,
}: Pick<AgentOptions, "eventsKubeconfig" | "writer" | "log" | "now" | "signal">): FaultListener {
  const running = new Set<Promise<void>>();
  async function create(path: string, event: JsonObject): Promise<void> {
    try {
      // Read each time: the kubelet renews its certificate.
      const api = new ClusterApi(readKubeconfig(path));
      await api.create(`/api/v1/namespaces/${NAMESPACE}/events`, event, signal);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof MendError) || error.code === "internal") throw error;
      // No API server is nothing new while faults are about. One that refuses does so until somebody changes its roles.
      log(error.code === "api-denied" ? "warn" : "debug", "no event could be written", { error: error.message });
    }
  }
  return {
    send(fault, over) {
      if (eventsKubeconfig === undefined) return;
      const creating = create(eventsKubeconfig, faultEvent(fault, over, writer, now()))
        .catch((error: unknown) => log("warn", "no event could be written", { error: String(error) }))
        .finally(() => running.delete(creating));
      running.add(creating);
    },
    close: async () => {
      await Promise.all(running);
    },
  };
}

/** `node`: the name of the agent's node. `now` in milliseconds since the epoch. */
export function faultEvent(fault: AgentFault, over: boolean, node: string, now: number): JsonObject {
  const time = new Date(now).toISOString().replace(/\.\d{3}Z$/, "Z");
  const unique = createHash("sha256").update(`${fault.kind} ${fault.since} ${over} ${now}`).digest("hex").slice(0, 16);
  return {
    apiVersion: "v1",
    kind: "Event",
    metadata: { name: `${node}.${unique}`, namespace: NAMESPACE },
    // As the kubelet writes it: the UID of a node in its events is its name.
    involvedObject: { apiVersion: "v1", kind: "Node", name: node, uid: node },
    type: over ? "Normal" : "Warning",
    reason: over ? "EtcdBackupRecovered" : "EtcdBackupFault",
    message: `${over ? "over: " : ""}${escapeText(fault.text)}`.slice(0, MOST_TEXT),
    source: { component: "kubemend-backup", host: node },
    firstTimestamp: time,
    lastTimestamp: time,
    count: 1,
  };
}
