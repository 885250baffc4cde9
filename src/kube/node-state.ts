/** What a node says of itself, and what is said of it: its condition, since when, its heartbeat. */
import { conditionOf } from "./conditions.ts";
import { objectOf, objectsOf, textOf } from "./fields.ts";
import type { KubeObject } from "./object.ts";

export interface ReadyCondition {
  /** `Unknown` is written by the node controller when the kubelet has gone silent. */
  readonly status: "True" | "False" | "Unknown";
  readonly reason: string;
  readonly message: string;
  /** RFC 3339, or empty. */
  readonly since: string;
  /** When the kubelet last said so; RFC 3339, or empty. */
  readonly heartbeat: string;
}

export function readyCondition(node: KubeObject): ReadyCondition {
  const condition = conditionOf(node, "Ready") ?? {};
  const status = textOf(condition.status);
  return {
    status: status === "True" || status === "False" ? status : "Unknown",
    reason: textOf(condition.reason),
    message: textOf(condition.message),
    since: textOf(condition.lastTransitionTime),
    heartbeat: textOf(condition.lastHeartbeatTime),
  };
}

export function isNodeReady(node: KubeObject): boolean {
  return readyCondition(node).status === "True";
}

export function isCordoned(node: KubeObject): boolean {
  return objectOf(node.spec).unschedulable === true;
}

/** Of Kubernetes' own role labels: `control-plane`, `worker`; sorted. Source: kubectl's printer of nodes. */
export function rolesOf(node: KubeObject): string[] {
  const roles = new Set<string>();
  for (const [label, value] of Object.entries(node.metadata.labels ?? {})) {
    if (label.startsWith("node-role.kubernetes.io/")) roles.add(label.slice("node-role.kubernetes.io/".length));
    else if (label === "kubernetes.io/role" && value !== "") roles.add(value);
  }
  roles.delete("");
  return [...roles].sort();
}

export interface NodeState {
  readonly name: string;
  readonly ready: ReadyCondition["status"];
  readonly cordoned: boolean;
  /** Of the Ready condition; RFC 3339, or empty. */
  readonly since: string;
  /** The last sign of life: its lease's renewal, or before 1.14 the condition's heartbeat; RFC 3339, or empty. */
  readonly lastSign: string;
  /** Why it is not ready; empty where it is. */
  readonly why: string;
  readonly roles: readonly string[];
  /** Of the kubelet, such as `v1.20.2`. */
  readonly version: string;
  /** Conditions of pressure and the like that hold: `DiskPressure`. */
  readonly pressures: readonly string[];
}

/** `lease`: of the node, in `kube-node-lease`. */
export function nodeState(node: KubeObject, lease: KubeObject | undefined): NodeState {
  const condition = readyCondition(node);
  const renewed = textOf(objectOf(lease?.spec).renewTime);
  return {
    name: node.metadata.name,
    ready: condition.status,
    cordoned: isCordoned(node),
    since: condition.since,
    lastSign: [renewed, condition.heartbeat].reduce((a, b) => ((Date.parse(b) || 0) > (Date.parse(a) || 0) ? b : a)),
    why: condition.status === "True" ? "" : whyNotReady(condition),
    roles: rolesOf(node),
    version: textOf(objectOf(objectOf(node.status).nodeInfo).kubeletVersion),
    pressures: objectsOf(objectOf(node.status).conditions)
      .filter(({ type, status }) => type !== "Ready" && status === "True")
      .map(({ type }) => textOf(type)),
  };
}

function whyNotReady({ status, reason, message }: ReadyCondition): string {
  if (status === "Unknown") return "its kubelet is silent: the machine, its network or the kubelet is down";
  return `its kubelet says: ${message || reason || "not ready"}`;
}
