/**
 * Clusters whose control plane no object defines: distributions that run it inside one process or as containers of
 * their own, and machines that run it as services.
 */
import type { KubeObject } from "../kube/object.ts";

export interface Distribution {
  /** Such as `a k3s cluster`. */
  readonly what: string;
  /** How its control plane runs, and what to do instead of recovering it from objects. */
  readonly instead: string;
}

/** By marks that they put on their nodes: prefixes of labels and annotations. */
const MARKS: readonly (readonly [mark: RegExp, distribution: Distribution])[] = [
  [
    /^k3s\.io\//,
    {
      what: "a k3s cluster",
      instead:
        "which runs its control plane inside one process: restore its data store with k3s server " +
        "--cluster-reset --cluster-reset-restore-path=SNAPSHOT, then start its service",
    },
  ],
  [
    /k0sproject\.io\//,
    {
      what: "a k0s cluster",
      instead:
        "which runs its control plane as processes of its own service: restore it with k0s restore, or its " +
        "etcd into /var/lib/k0s/etcd (kubemend snapshot restore), then start k0scontroller",
    },
  ],
  [
    /^(?:microk8s\.io\/|node\.kubernetes\.io\/microk8s-)/,
    {
      what: "a MicroK8s cluster",
      instead:
        "which runs its control plane inside one process: restore its data store (microk8s dbctl restore, " +
        "where it is dqlite), then microk8s start",
    },
  ],
  [
    /^rke\.cattle\.io\//,
    {
      what: "an RKE cluster",
      instead:
        "which runs its control plane as containers of Docker that no object defines: restore it with rke " +
        "etcd snapshot-restore and its cluster.yml, or etcd's data on its hosts, then rke up",
    },
  ],
];

/** Distributions whose control plane is static pods, and whose own program writes them and restores etcd's data. */
const OWN_RESTORES: readonly (readonly [mark: RegExp, distribution: Distribution])[] = [
  [
    /^(?:etcd\.)?rke2\.(?:io|cattle\.io)\//,
    {
      what: "an RKE2 cluster",
      instead:
        "stop rke2-server on all servers, run rke2 server --cluster-reset " +
        "--cluster-reset-restore-path=SNAPSHOT on one, start it there, then empty " +
        "/var/lib/rancher/rke2/server/db on the others and start them",
    },
  ],
  [
    /^machineconfiguration\.openshift\.io\//,
    {
      what: "an OpenShift cluster",
      instead:
        "whose operators write its static pods: restore etcd with its own cluster-restore.sh on the recovery host",
    },
  ],
];

/** Undefined for clusters whose static pods nobody else writes. */
export function restoresItself(nodes: readonly KubeObject[]): Distribution | undefined {
  const marks = nodes.flatMap(({ metadata }) => Object.keys({ ...metadata.labels, ...metadata.annotations }));
  return OWN_RESTORES.find(([mark]) => marks.some((each) => mark.test(each)))?.[1];
}

export function distributionOf(nodes: readonly KubeObject[]): Distribution | undefined {
  const marks = nodes.flatMap(({ metadata }) => Object.keys({ ...metadata.labels, ...metadata.annotations }));
  return MARKS.find(([mark]) => marks.some((each) => mark.test(each)))?.[1];
}

/**
 * Where no object defines the control plane, though it was led from somewhere: services of machines, unless its objects
 * were deleted.
 */
export function asServicesHint(leaderHosts: readonly string[]): string {
  const hosts = leaderHosts.map((host) => `"${host}"`).join(", ");
  return (
    `its scheduler or controller manager was last led from ${hosts}: where they are services there ` +
    "(systemd), restore etcd's data (kubemend snapshot restore), " +
    "then start etcd, kube-apiserver, kube-controller-manager and kube-scheduler where they are installed"
  );
}
