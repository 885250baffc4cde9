/**
 * There is no pod network before the control plane runs, and no cluster DNS to ask. The permanent pod, which may
 * declare the same ports, must fit beside it.
 */
import { withoutHostPorts } from "../kube/host-ports.ts";
import type { JsonObject } from "../kube/object.ts";

export function useHostNetwork(podSpec: JsonObject): JsonObject {
  const dnsPolicy = podSpec.dnsPolicy === "None" ? "None" : "Default";
  return withoutHostPorts({ ...podSpec, hostNetwork: true, dnsPolicy });
}
