/**
 * Whether the permanent control plane runs, from what the API server and the machine itself show. Pure: each look is
 * judged as a whole, and the answer is what is still in the way, in words for people.
 *
 * etcd may be older than the present: after a loss it says that pods run on nodes that are gone. So a node counts only
 * when its lease was seen to be renewed, a pod of this machine only when its containers have processes here, and a
 * component only when its lease was renewed after the temporary one had ended.
 */
import { defined } from "../errors/defined.ts";
import { conditionOf, isReady } from "../kube/conditions.ts";
import { objectsOf as arrayOf, objectOf, textOf } from "../kube/fields.ts";
import type { JsonObject, KubeObject } from "../kube/object.ts";

/** One look at the cluster. */
export interface Observation {
  readonly pods: readonly KubeObject[];
  readonly nodes: readonly KubeObject[];
  /** Names of nodes whose kubelet has renewed their lease since the start began. */
  readonly aliveNodes: ReadonlySet<string>;
  /** This machine's node, once it is known. */
  readonly localNode: string | undefined;
  /** Ids of the containers that have processes on this machine; undefined where they cannot be determined. */
  readonly localContainers: ReadonlySet<string> | undefined;
  /** The last lines that a pod of this machine has logged, where they can be read. */
  readonly localLog?: (pod: KubeObject) => readonly string[] | undefined;
  /** This machine's own, without those that every machine has. */
  readonly localAddresses: ReadonlySet<string>;
}

/** `namespace/name`, of which the name may be the beginning of a pod's: how bootkube's `--required-pods` reads. */
export interface RequiredPod {
  readonly namespace: string;
  readonly prefix: string;
}

export function parseRequiredPod(text: string): RequiredPod | undefined {
  const [, namespace, prefix] = /^(?:([^/]+)\/)?([^/]+)$/.exec(text) ?? [];
  return prefix === undefined ? undefined : { namespace: namespace ?? "kube-system", prefix };
}

/**
 * Why the temporary control plane cannot go yet; empty when it can.
 * @param temporary the components that have a temporary pod here
 */
export function beforeHandOver(
  required: readonly RequiredPod[],
  look: Observation,
  temporary: ReadonlySet<string>,
): string[] {
  const waiting = localNodeProblems(look);
  for (const each of required) {
    const pods = podsOf(each, look);
    const hasItsPort = temporary.has(each.prefix);
    const isEnough = (pod: KubeObject) => runs(pod, look) || (hasItsPort && waitsForPort(pod, each.prefix, look));
    if (!pods.some((pod) => isAlive(pod, look) && isEnough(pod))) waiting.push(describe(each, pods, look));
  }
  return waiting;
}

/**
 * A pod cannot listen while the temporary one does, so more cannot be asked of it. That an API server does not run for
 * another reason is seen afterwards: some wait for their port with a lock, and say nothing. The others have said why
 * they ended, where their last words can be read.
 */
function waitsForPort(pod: KubeObject, component: string, look: Observation): boolean {
  if (!isInHand(pod)) return false;
  if (component === "kube-apiserver") return true;
  if (nodeOf(pod) !== look.localNode || objectOf(pod.spec).hostNetwork !== true) return false;
  const log = look.localLog?.(pod);
  return log === undefined || log.some((line) => line.includes("address already in use"));
}

/** A pod of the temporary control plane. */
export interface TemporaryPod {
  readonly namespace: string;
  /** Of its mirror pod: with the node's name at the end. */
  readonly name: string;
  /** Ids of the containers that it has had. */
  readonly containers: readonly string[];
}

/** Those of them that are still there, by the API server or by their processes. */
export function stillThere(temporary: readonly TemporaryPod[], { pods, localContainers }: Observation): TemporaryPod[] {
  return temporary.filter(
    ({ namespace, name, containers }) =>
      pods.some(({ metadata }) => metadata.name === name && metadata.namespace === namespace) ||
      containers.some((id) => localContainers?.has(id) === true),
  );
}

/** Why the permanent control plane does not do its work yet; empty when it does. */
export function afterHandOver(
  required: readonly RequiredPod[],
  look: Observation,
  temporary: readonly TemporaryPod[],
  renewedLeases: ReadonlySet<string>,
  components: readonly string[],
): string[] {
  const left = stillThere(temporary, look);
  const waiting = [...localNodeProblems(look), ...left.map(({ name }) => `temporary pod "${name}" to end`)];
  for (const each of required) {
    const pods = podsOf(each, look);
    if (!pods.some((pod) => isAlive(pod, look) && runs(pod, look))) waiting.push(describe(each, pods, look));
  }
  const unproved = left.length > 0 ? [] : components.filter((name) => !renewedLeases.has(name));
  return [...waiting, ...unproved.map((name) => `${name} to hold its lease`)];
}

/** Required pods that stand on nodes which have given no sign of life: they will not come back by themselves soon. */
export function strandedPods(required: readonly RequiredPod[], look: Observation): KubeObject[] {
  return required.flatMap((each) => podsOf(each, look)).filter((pod) => nodeOf(pod) !== "" && !isAlive(pod, look));
}

/**
 * Nodes whose place this machine has taken: they had an address of its, and give no sign of life. Nothing of them runs
 * any more, which nobody can say of a node that is only silent.
 */
export function replacedNodes({ nodes, localNode, aliveNodes, localAddresses }: Observation): string[] {
  if (localNode === undefined) return [];
  return nodes
    .filter(({ metadata }) => metadata.name !== localNode && !aliveNodes.has(metadata.name))
    .filter((node) =>
      arrayOf(objectOf(node.status).addresses).some(
        ({ type, address }) => type === "InternalIP" && localAddresses.has(textOf(address)),
      ),
    )
    .map(({ metadata }) => metadata.name);
}

/**
 * Pods that this machine's kubelet has rejected, since it did not know yet that its node has the label that they
 * ask for. They stay as Failed for ever, dozens of them where the kubelet is slow.
 */
export function rejectedPods(required: readonly RequiredPod[], { pods, localNode }: Observation): KubeObject[] {
  return pods.filter(
    (pod) =>
      required.some(
        ({ namespace, prefix }) => pod.metadata.namespace === namespace && pod.metadata.name.startsWith(prefix),
      ) &&
      nodeOf(pod) === localNode &&
      objectOf(pod.status).phase === "Failed" &&
      textOf(objectOf(pod.status).reason) === "NodeAffinity",
  );
}

/** Nodes that have given no sign of life. */
export function silentNodes({ nodes, aliveNodes }: Observation): string[] {
  return nodes.map(({ metadata }) => metadata.name).filter((name) => !aliveNodes.has(name));
}

/** Pods on those nodes that another node could run. */
export function movablePods(nodes: readonly string[], { pods }: Observation): KubeObject[] {
  return pods.filter(
    (pod) =>
      nodes.includes(nodeOf(pod)) &&
      !pod.metadata.ownerReferences?.some(({ kind }) => kind === "DaemonSet" || kind === "Node") &&
      pod.metadata.annotations?.["kubernetes.io/config.mirror"] === undefined,
  );
}

/** A pod that the kubelet will not try again for a long while: a new one is tried at once. */
export function isBackingOff(pod: KubeObject): boolean {
  return statuses(pod).some(
    (status) => Number(status.restartCount ?? 0) >= 2 && objectOf(status.state).running === undefined,
  );
}

/** Pods that are meant by a requirement, but not those that are on their way out or will never run. */
export function podsOf({ namespace, prefix }: RequiredPod, { pods }: Observation): KubeObject[] {
  return pods.filter(
    ({ metadata, status }) =>
      metadata.namespace === namespace &&
      metadata.name.startsWith(prefix) &&
      metadata.deletionTimestamp === undefined &&
      objectOf(status).phase !== "Failed",
  );
}

function localNodeProblems({ localNode, nodes, aliveNodes }: Observation): string[] {
  if (localNode === undefined) return [];
  const node = nodes.find(({ metadata }) => metadata.name === localNode);
  if (node === undefined) return [`this machine's node "${localNode}" to register`];
  if (!aliveNodes.has(localNode)) return [`the kubelet of node "${localNode}" to renew its lease`];
  if (isReady(node)) return [];
  const ready = conditionOf(node, "Ready");
  return [`node "${localNode}" to be Ready${ready === undefined ? "" : `: ${textOf(ready.message)}`}`];
}

function isAlive(pod: KubeObject, { aliveNodes }: Observation): boolean {
  return aliveNodes.has(nodeOf(pod));
}

/** The kubelet has the pod and has come as far as its containers. */
function isInHand(pod: KubeObject): boolean {
  return statuses(pod).some((status) => {
    const reason = textOf(objectOf(objectOf(status.state).waiting).reason);
    return (
      textOf(status.containerID) !== "" || reason === "CrashLoopBackOff" || objectOf(status.state).running !== undefined
    );
  });
}

/** Ready by what the kubelet said; on this machine also by what is really there. */
function runs(pod: KubeObject, { localNode, localContainers }: Observation): boolean {
  if (!isReady(pod)) return false;
  if (nodeOf(pod) !== localNode || localContainers === undefined) return true;
  return statuses(pod).every((status) => localContainers.has(containerId(status)));
}

function describe(required: RequiredPod, pods: readonly KubeObject[], look: Observation): string {
  const title = `pod "${required.namespace}/${required.prefix}"`;
  if (pods.length === 0) return `${title} to be created`;
  const [pod] = [...pods].sort((a, b) => Number(isAlive(b, look)) - Number(isAlive(a, look)));
  const name = `pod "${required.namespace}/${defined(pod).metadata.name}"`;
  if (nodeOf(defined(pod)) === "") {
    const scheduled = conditionOf(defined(pod), "PodScheduled");
    return `${name} to be scheduled${textOf(scheduled?.message) === "" ? "" : `: ${textOf(scheduled?.message)}`}`;
  }
  if (!isAlive(defined(pod), look)) return `node "${nodeOf(defined(pod))}", which has ${name}, to give a sign of life`;
  for (const status of statuses(defined(pod))) {
    const waiting = objectOf(objectOf(status.state).waiting);
    const reason = textOf(waiting.reason);
    if (reason === "" || reason === "ContainerCreating" || reason === "PodInitializing") continue;
    // Its own last words say more than the kubelet's "back-off".
    const log =
      reason === "CrashLoopBackOff" && nodeOf(defined(pod)) === look.localNode
        ? (look.localLog?.(defined(pod)) ?? [])
        : [];
    if (log.length > 0) return `${name} to run: it crashes, and says last: ${log.join(" / ")}`;
    return `${name} to run: ${reason}${textOf(waiting.message) === "" ? "" : `: ${textOf(waiting.message)}`}`;
  }
  return statuses(defined(pod)).length === 0 ? `${name} to be taken up by its kubelet` : `${name} to be ready`;
}

/** Without the runtime's name in front. */
function containerId(status: JsonObject): string {
  return textOf(status.containerID).replace(/^.*:\/\//, "");
}

function nodeOf(pod: KubeObject): string {
  return textOf(objectOf(pod.spec).nodeName);
}

function statuses(pod: KubeObject): readonly JsonObject[] {
  return arrayOf(objectOf(pod.status).containerStatuses);
}
