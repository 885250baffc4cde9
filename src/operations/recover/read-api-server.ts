/**
 * The control plane's objects from an API server. It is asked for no more than a recovery needs: workloads, nodes, the
 * pods that may be the control plane's, and those secrets and config maps by name that the components refer to.
 */

import { hasStaticApiServer, staticPodNodes } from "../../controlplane/control-plane-nodes.ts";
import { isSurelySelfHosted } from "../../controlplane/select.ts";
import { ETCD_CLUSTER_GROUP, etcdTlsSecrets, isEtcdCluster } from "../../controlplane/self-hosted-etcd.ts";
import { asCandidate } from "../../controlplane/sorted-objects.ts";
import { listAll, listFirst, unlessAbsent, versionsOfGroup } from "../../io/api-server/api-lists.ts";
import type { ClusterApi } from "../../io/api-server/cluster-api.ts";
import type { DataKind } from "../../kube/data-object.ts";
import type { KubeObject } from "../../kube/object.ts";
import { dataReferences } from "../../kube/references.ts";
import { type ClusterFlags, withCluster } from "../cluster-access/open-cluster.ts";
import type { ControlPlaneObjects } from "./control-plane-objects.ts";
import type { SourceOptions, SourceReading } from "./recovery-source.ts";

/** Where workloads are, from today to Kubernetes 1.2. */
export const WORKLOAD_VERSIONS = ["apps/v1", "apps/v1beta2", "extensions/v1beta1"];

export async function readApiServer(cluster: ClusterFlags, options: SourceOptions): Promise<SourceReading> {
  return withCluster(cluster, options, async ({ api, access, version }) => {
    const found = await readObjects(api, options);
    return {
      source: { kind: "api-server", server: access.server.href.replace(/\/$/, ""), version },
      found,
      findings: () => [],
      [Symbol.dispose]: () => {},
    };
  });
}

async function readObjects(api: ClusterApi, options: SourceOptions): Promise<ControlPlaneObjects> {
  const { signal, namespace, progress } = options;
  const objects: KubeObject[] = [];
  const add = (found: readonly KubeObject[]): readonly KubeObject[] => {
    for (const object of found) objects.push(object);
    progress?.({ step: "reading", done: objects.length, unit: "objects" });
    return found;
  };
  add(await listFirst(api, WORKLOAD_VERSIONS, "daemonsets", signal));
  add(await listFirst(api, WORKLOAD_VERSIONS, "deployments", signal));
  const etcdVersions = await versionsOfGroup(api, ETCD_CLUSTER_GROUP, signal);
  const etcdClusters = add(await listFirst(api, etcdVersions, "etcdclusters", signal));
  // Their addresses tell which one is free for a boot member.
  if (etcdClusters.length > 0) add(await listAll(api, "/api/v1/services", "", signal));
  const nodes = add(await listAll(api, "/api/v1/nodes", "", signal));
  const pods = isSurelySelfHosted(objects, namespace)
    ? await listEtcdPods(api, signal)
    : await listStaticPods(api, nodes, signal);
  add(pods);
  for (const reference of referencesOf(objects)) {
    const object = await readReferred(api, reference, signal);
    if (object !== undefined) objects.push(object);
  }
  return { objects, sealed: [], podCount: pods.length };
}

/** Members of an EtcdCluster, and those that run as static pods beside a control plane that is none. */
async function listEtcdPods(api: ClusterApi, signal?: AbortSignal): Promise<KubeObject[]> {
  const selectors = ["etcd_cluster", "component=etcd"].map((each) => `labelSelector=${encodeURIComponent(each)}`);
  const lists = await Promise.all(selectors.map((query) => listAll(api, "/api/v1/pods", query, signal)));
  return [...new Map(lists.flat().map((pod) => [`${pod.metadata.namespace}/${pod.metadata.name}`, pod])).values()];
}

/**
 * All pods of the nodes that carry the control plane: these are the nodes that say so, and those where a pod of
 * `kube-system` is a component. Only where neither finds an API server are all pods read.
 */
async function listStaticPods(
  api: ClusterApi,
  nodes: readonly KubeObject[],
  signal?: AbortSignal,
): Promise<KubeObject[]> {
  const system = await listAll(api, "/api/v1/namespaces/kube-system/pods", "", signal);
  const found: KubeObject[] = [];
  for (const name of staticPodNodes(nodes, system)) {
    const query = `fieldSelector=${encodeURIComponent(`spec.nodeName=${name}`)}`;
    found.push(...(await listAll(api, "/api/v1/pods", query, signal)));
  }
  return hasStaticApiServer(found) ? found : listAll(api, "/api/v1/pods", "", signal);
}

interface Reference {
  readonly kind: DataKind;
  readonly namespace: string;
  readonly name: string;
}

/** What any component may refer to, each once. */
function referencesOf(objects: readonly KubeObject[]): Reference[] {
  const references = new Map<string, Reference>();
  const refer = (kind: DataKind, namespace: string, name: string) =>
    references.set(`${kind} ${namespace}/${name}`, { kind, namespace, name });
  for (const object of objects) {
    const workload = asCandidate(object);
    if (workload !== undefined) {
      for (const { kind, name } of dataReferences(workload.podSpec)) refer(kind, workload.namespace, name);
    }
    if (!isEtcdCluster(object)) continue;
    const tls = etcdTlsSecrets(object, () => true);
    for (const name of Object.values(tls ?? {})) refer("Secret", object.metadata.namespace ?? "", name as string);
  }
  refer("ConfigMap", "kube-system", "kubeadm-config");
  return [...references.values()];
}

/** Undefined where there is none: what that means, the selection says. */
function readReferred(api: ClusterApi, { kind, namespace, name }: Reference, signal?: AbortSignal) {
  const collection = kind === "Secret" ? "secrets" : "configmaps";
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/${collection}/${encodeURIComponent(name)}`;
  return unlessAbsent(api.get(path, signal));
}
