/** Whether a cluster keeps a control plane, and etcd its quorum, when some nodes are taken out of service. */

import { recognisePod } from "../controlplane/sorted-objects.ts";
import type { ComponentName } from "../kube/component.ts";
import { nodeOf } from "../kube/mirror-pod.ts";
import { isNodeReady, rolesOf } from "../kube/node-state.ts";
import type { KubeObject } from "../kube/object.ts";
import { isFinished, isServing } from "../kube/pod.ts";

export interface GuardInput {
  /** Names of the nodes that are taken out of service. */
  readonly leaving: ReadonlySet<string>;
  /** All nodes, or at least those that carry a control plane. */
  readonly nodes: readonly KubeObject[];
  /** Those of `kube-system`. */
  readonly pods: readonly KubeObject[];
}

export interface GuardProblem {
  readonly kind: "last-control-plane" | "etcd-quorum";
  /** A sentence without a capital and full stop. */
  readonly text: string;
}

const ROLES = ["control-plane", "master"];

/** Whether a node may carry a part of the control plane, so that {@link checkControlPlane} is worth its reading. */
export function mayCarryControlPlane(node: KubeObject, pods: readonly KubeObject[]): boolean {
  if (rolesOf(node).some((role) => ROLES.includes(role))) return true;
  return pods.some((pod) => isComponent(pod, "kube-apiserver") || isComponent(pod, "etcd"));
}

export function checkControlPlane(input: GuardInput): GuardProblem[] {
  return [checkApiServers(input), checkEtcd(input)].filter((problem) => problem !== undefined);
}

function checkApiServers({ leaving, nodes, pods }: GuardInput): GuardProblem | undefined {
  const ready = new Set(nodes.filter(isNodeReady).map(({ metadata }) => metadata.name));
  const apiServers = pods.filter((pod) => isComponent(pod, "kube-apiserver"));
  // API servers that are no pods show by their nodes' roles only.
  const byPods = apiServers.length > 0;
  const carriers = byPods
    ? new Set(apiServers.map(nodeOf))
    : new Set(nodes.filter((node) => rolesOf(node).some((role) => ROLES.includes(role))).map((n) => n.metadata.name));
  const healthy = byPods
    ? new Set(apiServers.filter((pod) => isServing(pod) && ready.has(nodeOf(pod))).map(nodeOf))
    : new Set([...carriers].filter((name) => ready.has(name)));
  const leavingHealthy = [...healthy].filter((name) => leaving.has(name)).sort();
  if (leavingHealthy.length === 0 || leavingHealthy.length < healthy.size) return undefined;
  const names = leavingHealthy.map((name) => `"${name}"`).join(", ");
  const others = [...carriers].filter((name) => !leaving.has(name)).sort();
  const sick = others.length === 0 ? "there is no other" : `not healthy: ${others.map((n) => `"${n}"`).join(", ")}`;
  return {
    kind: "last-control-plane",
    text:
      `${names} ` +
      `${leavingHealthy.length === 1 ? "is the last healthy control-plane node" : "are the last healthy control-plane nodes"} ` +
      `(${sick})`,
  };
}

function checkEtcd({ leaving, nodes, pods }: GuardInput): GuardProblem | undefined {
  const ready = new Set(nodes.filter(isNodeReady).map(({ metadata }) => metadata.name));
  const members = pods.filter((pod) => isComponent(pod, "etcd") && !isFinished(pod));
  const healthy = members.filter((pod) => isServing(pod) && ready.has(nodeOf(pod)));
  const leavingHealthy = healthy.filter((pod) => leaving.has(nodeOf(pod)));
  const quorum = Math.floor(members.length / 2) + 1;
  const left = healthy.length - leavingHealthy.length;
  if (leavingHealthy.length === 0 || left >= quorum) return undefined;
  const names = leavingHealthy.map((pod) => `"${nodeOf(pod)}"`).sort();
  return {
    kind: "etcd-quorum",
    text:
      `without ${names.join(", ")} etcd loses its quorum: ${left} of ${members.length} ` +
      `member${members.length === 1 ? "" : "s"} would be healthy, and ${quorum} must be`,
  };
}

function isComponent(pod: KubeObject, component: ComponentName): boolean {
  return pod.metadata.namespace === "kube-system" && recognisePod(pod)?.component === component;
}
