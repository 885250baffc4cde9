/** The permanent pods of a component, as opposed to its rescue pod: whether one of them can take over, and if none can, why. */

import { defined } from "../errors/defined.ts";
import { compare } from "../kube/compare-text.ts";
import { isReady } from "../kube/conditions.ts";
import { objectOf, textOf } from "../kube/fields.ts";
import { nodeOf } from "../kube/mirror-pod.ts";
import type { KubeObject } from "../kube/object.ts";
import { type Crash, type PodFault, type PodState, podState, podTitle } from "./pod-state.ts";
import { isRescuePodOf } from "./rescue-mark.ts";
import { ownPods, type RescueTarget, staticPodsOf } from "./target.ts";

/** Its own pods, whatever their state. */
export function permanentPods(target: RescueTarget, pods: readonly KubeObject[]): KubeObject[] {
  if (target.kind === "StaticPod") return staticPodsOf(target.component, pods);
  if (target.kind === "Gone") {
    return ownPods(target.component, pods).filter(({ metadata }) => metadata.namespace === target.namespace);
  }
  const spec = objectOf(target.workload?.spec);
  const { matchLabels } = objectOf(spec.selector);
  // Before apps/v1 the selector could be left out, and was the template's labels then.
  const labels = Object.entries(objectOf(matchLabels ?? objectOf(objectOf(spec.template).metadata).labels));
  return pods
    .filter(
      (pod) =>
        pod.metadata.namespace === target.namespace &&
        !isRescuePodOf(target.component, target.name, pod) &&
        labels.length > 0 &&
        labels.every(([name, value]) => pod.metadata.labels?.[name] === textOf(value)),
    )
    .sort((a, b) => compare(a.metadata.name, b.metadata.name));
}

export interface SeenPod {
  readonly pod: KubeObject;
  readonly state: PodState;
  /** Whether its node answers, so that what is said of it can be true. */
  readonly alive: boolean;
}

export function seePods(target: RescueTarget, pods: readonly KubeObject[], nodes: readonly KubeObject[]): SeenPod[] {
  const ready = new Set(nodes.filter(isReady).map(({ metadata }) => metadata.name));
  return pods.map((pod) => ({
    pod,
    state: podState(target.component, pod, nodes),
    alive: nodeOf(pod) === "" || ready.has(nodeOf(pod)),
  }));
}

/** What the log of a crashed pod's last run makes of it; undefined until it was read. */
export type CrashReader = (pod: KubeObject, crash: Crash) => PodFault | undefined;

export type Readiness =
  /** It was started on its node: it needs nothing more but that the rescue pod makes way. */
  | { readonly can: "take-over"; readonly pod: KubeObject }
  /** It does not get further by itself. */
  | { readonly can: "not"; readonly fault: PodFault }
  | { readonly can: "not-yet"; readonly waitingFor: string };

/**
 * On the host network a permanent pod cannot become Ready while the rescue pod holds its port: started is enough, and a
 * crash over the port is no fault.
 */
export function judgeReadiness(
  seen: readonly SeenPod[],
  target: RescueTarget,
  rescueNode: string,
  crashOf: CrashReader,
): Readiness {
  const faults: PodFault[] = [];
  let waitingFor: string | undefined;
  let lost: PodFault | undefined;
  let isOnItsWay = false;
  for (const { pod, state, alive } of seen) {
    if (!alive && state.is !== "gone") {
      lost ??= { kind: "node-lost", text: `${podTitle(pod)} is on node "${nodeOf(pod)}", which is not Ready` };
      continue;
    }
    switch (state.is) {
      case "running":
      case "crashed": {
        // One that has crashed before may crash again in a moment, unless it was over the port.
        if (state.is === "running" && (state.ready || state.crash === undefined)) return { can: "take-over", pod };
        const fault = crashOf(pod, defined(state.crash));
        if (fault?.kind === "port-taken" && nodeOf(pod) === rescueNode) return { can: "take-over", pod };
        if (fault === undefined) waitingFor = `the log of ${podTitle(pod)}`;
        else faults.push(fault);
        isOnItsWay ||= fault === undefined;
        break;
      }
      case "unscheduled":
        if (state.fault !== undefined) faults.push(state.fault);
        isOnItsWay ||= state.fault === undefined;
        waitingFor ??= `${podTitle(pod)} to be scheduled`;
        break;
      case "bound":
        if (state.fault !== undefined) faults.push(state.fault);
        isOnItsWay ||= state.fault === undefined;
        waitingFor ??= `${podTitle(pod)} to be started on node "${nodeOf(pod)}"`;
        break;
      case "gone":
        break;
      default:
        state satisfies never;
    }
  }
  const [first] = faults;
  // One of a rollout may be stuck while the next one is on its way.
  if (first !== undefined && !isOnItsWay) return { can: "not", fault: first };
  const rejected = seen.flatMap(({ state }) => (state.is === "gone" && state.fault ? [state.fault] : []));
  if (waitingFor !== undefined) return { can: "not-yet", waitingFor };
  const last = lost ?? rejected[0];
  if (last !== undefined) return { can: "not", fault: last };
  if (target.kind === "StaticPod") {
    const text = `no node runs ${target.component} as a static pod any more: its manifest is missing`;
    return { can: "not", fault: { kind: "manifest-missing", text } };
  }
  if (target.kind === "Gone") {
    const text = `what made its pods, "${target.namespace}/${target.name}", was deleted: none will come by itself`;
    return { can: "not", fault: { kind: "workload-missing", text } };
  }
  return { can: "not-yet", waitingFor: `${target.kind} "${target.namespace}/${target.name}" to create its pod` };
}

/** What a person can do about it. */
export function mendingHint(target: RescueTarget, fault: PodFault, hasOlderTemplate: boolean): string {
  const object = `${target.kind.toLowerCase()}/${target.name}`;
  const again = `kubemend rescue ${target.component.replace(/^kube-/, "")}`;
  if (fault.kind === "undecided") {
    const { namespace } = target;
    return `see what its log says (kubectl -n ${namespace} logs POD); where it does no work, delete the pod, then run ${again} again`;
  }
  if (target.kind === "Gone") {
    return (
      "create its Deployment again, from its manifest or a backup of etcd (kubemend snapshot get " +
      `BACKUP deployment/${target.name} -n ${target.namespace} -o yaml), ` +
      `then run ${again} again: it takes the rescue pod away`
    );
  }
  if (target.kind === "StaticPod") {
    const then = `then run ${again} again: it takes the rescue pod away`;
    switch (fault.kind) {
      case "node-lost":
        return `bring the node back, or put the manifest into the kubelet's manifest directory on a master that is Ready, ${then}`;
      case "no-lease":
      case "port-taken":
        return `restart the static pod: move its manifest out of the kubelet's manifest directory, and back after some seconds, ${then}`;
      default:
        return `put a manifest that works into the kubelet's manifest directory on a master, ${then}`;
    }
  }
  switch (fault.kind) {
    case "no-lease": {
      const podSpec = objectOf(objectOf(objectOf(target.workload?.spec).template).spec);
      const account = textOf(podSpec.serviceAccountName) || "default";
      return (
        `see whether its service account may write the lease: kubectl -n ${target.lease.namespace} auth ` +
        `can-i update leases/${target.lease.name} ` +
        `--as=system:serviceaccount:${target.namespace}:${account}; then run ${again} again`
      );
    }
    case "no-pod":
    case "timeout":
      return `once that is mended, run ${again} again`;
    case "node-lost":
      return `bring the node back, or label another master so that ${object} runs there, then run ${again} again`;
    case "quota":
    case "refused":
      return `change what forbids the pod (kubectl -n ${target.namespace} describe quota), then run ${again} again`;
    case "unschedulable":
      return `change the node selector, tolerations or requests of ${object}, or the nodes' labels and taints, then run ${again} again`;
    default:
      return hasOlderTemplate
        ? `correct ${object}, or go back: kubectl -n ${target.namespace} rollout undo ${object}; then run ${again} again`
        : `correct it: kubectl -n ${target.namespace} edit ${object}; then run ${again} again`;
  }
}
