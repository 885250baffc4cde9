/**
 * The flavour whose control plane runs on the cluster itself, as bootkube makes it: what it refers to, and the etcd that
 * may run there too.
 */
import { defined } from "../../errors/defined.ts";
import type { Finding } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import { compare } from "../../kube/compare-text.ts";
import { componentImage, containerIndexOf, imageVersion, WORKLOAD_COMPONENTS } from "../../kube/component.ts";
import { flagValue } from "../../kube/container-flags.ts";
import { type DataKind, type DataObject, dataKey, dataObjectOf } from "../../kube/data-object.ts";
import { objectsOf } from "../../kube/fields.ts";
import { isTemporary, nodeOf, staticPodName } from "../../kube/mirror-pod.ts";
import type { JsonObject } from "../../kube/object.ts";
import { dataReferences } from "../../kube/references.ts";
import type { ControlPlaneFacts, SelfHostedEtcd, StaticPod, StaticPodNode, Workload } from "../control-plane.ts";
import { controlPlaneNodes, hasStaticApiServer } from "../control-plane-nodes.ts";
import { MissingList } from "../missing-list.ts";
import { describeEtcd, etcdTlsSecrets, holdsOwnState } from "../self-hosted-etcd.ts";
import { recognisePod, type SortedObjects } from "../sorted-objects.ts";
import type { Flavour } from "./flavour.ts";
import { STATIC_PODS } from "./static-pods.ts";

const DAEMON_SETS = "/daemonsets/";

/** bootkube's names for the keys of the etcd secrets: bootstrap-etcd reads them as files of these names. */
const PEER_KEYS = ["peer-ca.crt", "peer.crt", "peer.key"];
const SERVER_KEYS = ["server-ca.crt", "server.crt", "server.key"];
const CLIENT_KEYS = ["etcd-client-ca.crt", "etcd-client.crt", "etcd-client.key"];

export interface SelfHostedControlPlane extends ControlPlaneFacts {
  readonly flavour: "self-hosted" | "self-hosted-etcd";
  /** Where the components live: `kube-system` nearly always. */
  readonly namespace: string;
  /** Sorted by component, then by name. */
  readonly workloads: readonly Workload[];
  /** The secrets and config maps that the components and etcd refer to, by {@link dataKey}. */
  readonly data: ReadonlyMap<string, DataObject>;
}

export const SELF_HOSTED: Flavour<SelfHostedControlPlane> = {
  titles: { "self-hosted": "self-hosted, etcd outside of it", "self-hosted-etcd": "self-hosted, etcd too" },
  select({ sorted, namespace, workloads, staticPods }) {
    const hasApiServer = workloads.some(({ component }) => component === "kube-apiserver");
    const isOwn = hasApiServer || (workloads.length > 0 && !hasStaticApiServer(staticPods));
    return isOwn ? selectSelfHosted(sorted, namespace, workloads) : undefined;
  },
  keys: {
    name: "self-hosted",
    places: [DAEMON_SETS, ...STATIC_PODS.keys.places],
    // In another namespace than kube-system it may be that of another cluster, which is hosted here.
    show: (names) =>
      names.below(DAEMON_SETS).includes("kube-system/kube-apiserver") ||
      (names.below(DAEMON_SETS).some((name) => name.endsWith("/kube-apiserver")) && !STATIC_PODS.keys.show(names)),
  },
  restoreSteps: (proof) => [
    "start etcd on the data dir",
    proof,
    `where the API server does not come back by itself: kubemend recover ${input("etcdBackupFile")} with ` +
      "the same snapshot, then kubemend start",
    "delete the pods of kube-controller-manager and kube-scheduler, so that they start over",
    "restart the kubelets, then see kubectl get nodes and kubectl get pods -A",
  ],
};

function selectSelfHosted(
  sorted: SortedObjects,
  namespace: string,
  workloads: readonly Workload[],
): SelfHostedControlPlane {
  const findings: Finding[] = [];
  const available = new Map<string, DataObject>();
  for (const object of sorted.data) {
    const data = dataObjectOf(object);
    available.set(dataKey(data.kind, data.namespace, data.name), data);
  }
  const missing = new MissingList(sorted.sealed);
  const data = new Map<string, DataObject>();
  const refer = (kind: DataKind, inNamespace: string, name: string, keys: readonly string[], neededBy: string) => {
    const key = dataKey(kind, inNamespace, name);
    const object = available.get(key);
    if (object === undefined) return missing.add(kind, inNamespace, name, undefined, neededBy);
    data.set(key, object);
    for (const each of keys) if (!object.data.has(each)) missing.add(kind, inNamespace, name, each, neededBy);
  };

  for (const component of WORKLOAD_COMPONENTS) {
    const running = workloads.filter((workload) => workload.component === component);
    if (running.length === 0) missing.addComponent(component);
    if (running.length > 1) findings.push(severalWorkloads(component, running));
  }
  for (const { component, namespace: inNamespace, podSpec } of workloads) {
    for (const reference of dataReferences(podSpec)) {
      const key = dataKey(reference.kind, inNamespace, reference.name);
      const object = available.get(key);
      if (object !== undefined) data.set(key, object);
      if (reference.optional && !missing.isSealed(reference.kind, inNamespace, reference.name)) continue;
      refer(reference.kind, inNamespace, reference.name, reference.keys, `${component} ${reference.place}`);
    }
  }

  const etcd = selectEtcd(sorted, workloads, available);
  if (etcd?.tls !== undefined) {
    const user = `EtcdCluster "${etcd.name}"`;
    refer("Secret", etcd.namespace, etcd.tls.peerSecret, PEER_KEYS, user);
    refer("Secret", etcd.namespace, etcd.tls.serverSecret, SERVER_KEYS, user);
    refer("Secret", etcd.namespace, etcd.tls.clientSecret, CLIENT_KEYS, user);
  }
  const lost = etcd === undefined ? lostEtcdCluster(sorted) : undefined;
  if (lost !== undefined)
    missing.add(
      "EtcdCluster",
      lost.namespace,
      lost.name,
      undefined,
      "self-hosted etcd, of which member pods are there",
    );

  return {
    flavour: etcd === undefined ? "self-hosted" : "self-hosted-etcd",
    namespace,
    workloads,
    data,
    etcd,
    components: workloads.map(({ component, kind, namespace, name, podSpec }) => ({
      component,
      kind,
      namespace,
      name,
      image: componentImage(component, podSpec),
    })),
    nodes: etcd === undefined ? etcdNodesOf(sorted) : [],
    startedBy: "start",
    versions: versionsOf(workloads),
    controlPlaneNodes: controlPlaneNodes(sorted.nodes),
    nodeCount: sorted.nodes.length,
    lastSign: sorted.lastSign,
    missing: missing.sorted(),
    findings,
  };
}

function etcdNodesOf({ mirrorPods }: SortedObjects): StaticPodNode[] {
  const own = mirrorPods.filter((pod) => !isTemporary(pod) && recognisePod(pod)?.component === "etcd");
  return own
    .map((pod): StaticPodNode => {
      const staticPod: StaticPod = { name: staticPodName(pod), component: "etcd", mirrorPod: pod };
      return { name: nodeOf(pod), pods: [staticPod] };
    })
    .sort((a, b) => compare(a.name, b.name));
}

function selectEtcd(
  sorted: SortedObjects,
  workloads: readonly Workload[],
  available: ReadonlyMap<string, DataObject>,
): SelfHostedEtcd | undefined {
  const apiServer = containerOf(workloads.find((workload) => workload.component === "kube-apiserver"));
  const urls = (apiServer === undefined ? undefined : flagValue(apiServer, "etcd-servers"))?.split(",") ?? [];
  const cluster = sorted.etcdClusters
    .filter((each) => holdsOwnState(each, urls, sorted.services))
    .sort((a, b) => compare(a.metadata.name, b.metadata.name))[0];
  if (cluster === undefined) return undefined;
  const namespace = cluster.metadata.namespace ?? "";
  const tls = etcdTlsSecrets(cluster, (secret) => available.has(dataKey("Secret", namespace, secret)));
  return describeEtcd(cluster, tls, {
    services: sorted.services,
    memberPods: sorted.etcdPods.filter((pod) => pod.metadata.labels?.etcd_cluster === cluster.metadata.name),
    apiServer,
    serverSecret: tls === undefined ? undefined : available.get(dataKey("Secret", namespace, tls.serverSecret)),
  });
}

/** Member pods of the cluster's own etcd without their EtcdCluster: bootkube's label and name say whose they are. */
function lostEtcdCluster(sorted: SortedObjects): { readonly namespace: string; readonly name: string } | undefined {
  const member = sorted.etcdPods.find((pod) => pod.metadata.labels?.etcd_cluster === "kube-etcd");
  return member === undefined ? undefined : { namespace: member.metadata.namespace ?? "", name: "kube-etcd" };
}

function containerOf(workload: Workload | undefined): JsonObject | undefined {
  if (workload === undefined) return undefined;
  return objectsOf(workload.podSpec.containers)[containerIndexOf(workload.component, workload.podSpec)];
}

function severalWorkloads(component: string, running: readonly Workload[]): Finding {
  const names = running.map((workload) => `${workload.kind} "${workload.name}"`).join(", ");
  return {
    level: "warning",
    code: "several-workloads",
    where: `${defined(running[0]).namespace}/${component}`,
    text: `${running.length} workloads are labelled "${component}", each gets a bootstrap pod: ${names}`,
  };
}

function versionsOf(workloads: readonly Workload[]): string[] {
  const versions = workloads.map((workload) => imageVersion(componentImage(workload.component, workload.podSpec)));
  return [...new Set(versions.filter((version) => version !== undefined))].sort();
}
