/** There is no pod network before the control plane runs, and no cluster DNS to ask. */
import { mapObjects } from "../controlplane/fields.ts";
import type { JsonObject } from "../storage/object.ts";

export function useHostNetwork(podSpec: JsonObject): JsonObject {
  const fixed = { ...podSpec, hostNetwork: true, dnsPolicy: podSpec.dnsPolicy === "None" ? "None" : "Default" };
  return mapObjects(mapObjects(fixed, "initContainers", hostPorts), "containers", hostPorts);
}

/** On the host network a port that is declared on the host must be the container's own, or the pod is refused. */
function hostPorts(container: JsonObject): JsonObject {
  return mapObjects(container, "ports", (port) =>
    port.hostPort === undefined ? port : { ...port, hostPort: port.containerPort },
  );
}
