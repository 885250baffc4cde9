/**
 * Who has looked again since a restore, and what is left to a person. A restored keyspace says of every node and pod
 * what was true at the time of the backup, Ready among
 * it. So what counts is what was written since: an object whose version is above the newest revision that was restored.
 * No clock has a part in it.
 */
import { isReady } from "../kube/conditions.ts";
import { objectOf, objectsOf, textOf } from "../kube/fields.ts";
import { holderHost, LEASE_HOLDERS, type LeaderLease, readLease } from "../kube/lease.ts";
import { isMirrorPod, nodeOf, staticPodName } from "../kube/mirror-pod.ts";
import type { KubeObject } from "../kube/object.ts";

/** What the API server holds when the proof is asked for. */
export interface ClusterSeen {
  readonly nodes: readonly KubeObject[];
  /** Of all namespaces, the nodes' heartbeats among them. */
  readonly leases: readonly KubeObject[];
  /** Of `kube-system`. */
  readonly pods: readonly KubeObject[];
  readonly attachments: readonly KubeObject[];
}

const HEARTBEATS = "kube-node-lease";

/**
 * What is still missing before the control plane on these nodes is proved, as a sentence; undefined where nothing is.
 * `revision`: the newest that was restored.
 */
export function notYet(
  { nodes, leases, pods }: ClusterSeen,
  names: readonly string[],
  components: readonly string[],
  revision: number,
): string | undefined {
  for (const name of ["kube-controller-manager", "kube-scheduler"]) {
    const lease = leases.find(({ metadata }) => metadata.namespace === "kube-system" && metadata.name === name);
    if (lease === undefined || holderOf(lease) === "" || !isSince(lease, revision))
      return `nobody holds the lease of ${name} yet`;
  }
  const mirrors = pods.filter(isMirrorPod);
  for (const node of names) {
    const found = nodes.find(({ metadata }) => metadata.name === node);
    if (found === undefined || !isReady(found)) return `node ${node} is not Ready yet`;
    if (!hasReported(node, leases, revision)) return `the kubelet of ${node} has not reported since etcd runs again`;
    for (const component of components) {
      const pod = mirrors.find((each) => nodeOf(each) === node && staticPodName(each) === component);
      if (pod === undefined || !isReady(pod)) return `${component} on ${node} is not Ready yet`;
      if (!isSince(pod, revision)) return `${component} on ${node} was not seen to run since etcd runs again`;
    }
  }
  return undefined;
}

/** Nodes that are Ready, and whose kubelets have reported since. */
export function readyNodes({ nodes, leases }: ClusterSeen, revision: number): string[] {
  return nodes
    .filter((node) => isReady(node) && hasReported(node.metadata.name, leases, revision))
    .map(({ metadata }) => metadata.name)
    .sort();
}

/**
 * What only a person can bring in order, a sentence each: dead nodes, leases that nobody renews, volumes that are
 * attached to what is gone.
 */
export function leftToDo(seen: ClusterSeen, revision: number): string[] {
  const { nodes, leases, attachments } = seen;
  const ready = new Set(readyNodes(seen, revision));
  const known = new Set(nodes.map(({ metadata }) => metadata.name));
  const silent = nodes.filter(({ metadata }) => !ready.has(metadata.name)).map(({ metadata: { name } }) => name);
  const stale = leases.filter(
    (lease) => lease.metadata.namespace !== HEARTBEATS && holderOf(lease) !== "" && !isSince(lease, revision),
  );
  return [
    ...silent.map(
      (name) =>
        `node "${name}" is not Ready, or its kubelet has not reported since: bring it back, or see kubemend node evict`,
    ),
    ...stale.map(
      (lease) =>
        `lease "${lease.metadata.namespace}/${lease.metadata.name}" is held by "${holderOf(lease)}" as ` +
        "before, and was not renewed yet: see whether its pod runs",
    ),
    ...attachments.flatMap((attachment) => {
      const node = textOf(objectOf(attachment.spec).nodeName);
      if (ready.has(node)) return [];
      const why = known.has(node) ? "is not Ready" : "is no longer there";
      return [
        `volume ${volumeOf(attachment)} is attached to node "${node}", which ${why}: detach it at its ` +
          `storage, and delete volumeattachment "${attachment.metadata.name}"`,
      ];
    }),
  ];
}

/**
 * Static pods on these nodes that are not Ready although all of their containers have started, and those that are not
 * ready have no probe that says so. Older kubelets look at a pod that passed its startup probe only when its
 * turn comes again, a minute or more later (kubernetes/kubernetes#95140; seen with 1.20).
 */
export function passedOver({ pods }: Pick<ClusterSeen, "pods">, names: readonly string[]): KubeObject[] {
  return pods.filter((pod) => {
    if (!isMirrorPod(pod) || !names.includes(nodeOf(pod)) || isReady(pod)) return false;
    const probed = objectsOf(objectOf(pod.spec).containers).filter(
      ({ readinessProbe }) => readinessProbe !== undefined,
    );
    const statuses = objectsOf(objectOf(pod.status).containerStatuses);
    const isUp = statuses.every(
      ({ name, started, ready }) =>
        started === true && (ready === true || !probed.some((container) => container.name === name)),
    );
    return statuses.length > 0 && isUp;
  });
}

/**
 * Leases of scheduler and controller manager that are as in the backup, and whose holders ran on these nodes: there they
 * were stopped before anything was restored, so nobody renews them, and whoever waits for them would wait until they run
 * out. One whose holder calls its machine otherwise is nobody's that is known.
 */
export function leasesOfTheStopped(
  leases: readonly KubeObject[],
  names: readonly string[],
  revision: number,
): readonly LeaderLease[] {
  return leases.flatMap((object) => {
    const lease = readLease(object);
    if (lease === undefined || lease.namespace !== "kube-system" || isSince(object, revision)) return [];
    const leads = (LEASE_HOLDERS as readonly string[]).includes(lease.name);
    return leads && lease.holder !== "" && names.includes(holderHost(lease).toLowerCase()) ? [lease] : [];
  });
}

function hasReported(node: string, leases: readonly KubeObject[], revision: number): boolean {
  const own = leases.find(({ metadata }) => metadata.namespace === HEARTBEATS && metadata.name === node);
  return own !== undefined && isSince(own, revision);
}

function isSince({ metadata }: KubeObject, revision: number): boolean {
  return Number(metadata.resourceVersion ?? 0) > revision;
}

function holderOf(lease: KubeObject): string {
  return textOf(objectOf(lease.spec).holderIdentity);
}

function volumeOf({ spec }: KubeObject): string {
  const name = textOf(objectOf(objectOf(spec).source).persistentVolumeName);
  return name === "" ? "of a pod" : `"${name}"`;
}
