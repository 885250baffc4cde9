/**
 * The flavour whose control plane is static pods, which the kubelets read from files, as kubeadm makes it: what each of
 * its nodes runs, from the mirror pods. etcd holds nothing else of them.
 */
import { defined } from "../../errors/defined.ts";
import type { Finding } from "../../errors/errors.ts";
import { compare } from "../../kube/compare-text.ts";
import { componentImage, containerIndexOf, imageVersion, WORKLOAD_COMPONENTS } from "../../kube/component.ts";
import { flagValue } from "../../kube/container-flags.ts";
import { objectOf, objectsOf, textOf } from "../../kube/fields.ts";
import { nodeOf, staticPodName } from "../../kube/mirror-pod.ts";
import type { KubeObject } from "../../kube/object.ts";
import type { ControlPlaneFacts, RunningComponent, StaticPod, StaticPodNode, Workload } from "../control-plane.ts";
import { MissingList } from "../missing-list.ts";
import { hostOf } from "../self-hosted-etcd.ts";
import { recognisePod, type SortedObjects } from "../sorted-objects.ts";
import type { Flavour } from "./flavour.ts";

const API_SERVER_PODS = "/pods/kube-system/kube-apiserver-";

export interface StaticPodControlPlane extends ControlPlaneFacts {
  readonly flavour: "static-pods";
  /** The ClusterConfiguration that kubeadm keeps in a config map, as YAML. */
  readonly kubeadmConfiguration: string | undefined;
}

export const STATIC_PODS: Flavour<StaticPodControlPlane> = {
  titles: { "static-pods": "static pods" },
  select: ({ sorted, staticPods, workloads }) =>
    staticPods.some((pod) => recognisePod(pod) !== undefined)
      ? selectStaticPods(sorted, staticPods, workloads)
      : undefined,
  keys: {
    name: "static-pods",
    places: [API_SERVER_PODS],
    // A mirror pod is named after its node; a pod of a DaemonSet is not.
    show: ({ nodes, below }) => below(API_SERVER_PODS).some((name) => nodes.includes(name)),
  },
  restoreSteps: (proof) => [
    "on each control-plane node, move kube-apiserver.yaml, kube-controller-manager.yaml and " +
      "kube-scheduler.yaml out of /etc/kubernetes/manifests, and wait until their containers are gone",
    "start etcd on the data dir: put etcd.yaml into /etc/kubernetes/manifests, where it is a static pod",
    proof,
    "move the three manifests back: API servers first, then controller managers and schedulers",
    "restart the kubelets, then see kubectl get nodes and kubectl get pods -A",
  ],
};

/**
 * A node counts as soon as it runs one component; all its static pods come along, because a load balancer or a virtual address beside the
 * API server is part of how the cluster is reached.
 */
function selectStaticPods(
  sorted: SortedObjects,
  mirrorPods: readonly KubeObject[],
  workloads: readonly Workload[],
): StaticPodControlPlane {
  const byNode = new Map<string, StaticPod[]>();
  for (const pod of mirrorPods) {
    const pods = byNode.get(nodeOf(pod)) ?? [];
    byNode.set(nodeOf(pod), pods);
    pods.push({ name: staticPodName(pod), component: recognisePod(pod)?.component, mirrorPod: pod });
  }
  const nodes = [...byNode]
    .filter(([, pods]) => pods.some((pod) => pod.component !== undefined))
    .map(([name, pods]) => ({ name, pods: pods.sort((a, b) => compare(a.name, b.name)) }))
    .sort((a, b) => compare(a.name, b.name));
  const missing = new MissingList(sorted.sealed);
  for (const component of WORKLOAD_COMPONENTS) {
    const runs = nodes.some((node) => node.pods.some((pod) => pod.component === component));
    if (!runs && !workloads.some((workload) => workload.component === component)) missing.addComponent(component);
  }
  const configuration = sorted.data.find(
    (object) =>
      object.kind === "ConfigMap" &&
      object.metadata.name === "kubeadm-config" &&
      object.metadata.namespace === "kube-system",
  );
  return {
    flavour: "static-pods",
    nodes,
    components: nodes.flatMap(componentsOf),
    etcd: undefined,
    startedBy: "kubelets",
    kubeadmConfiguration: textOf(objectOf(configuration?.data).ClusterConfiguration) || undefined,
    versions: versionsOf(nodes),
    controlPlaneNodes: nodes.map((node) => node.name),
    nodeCount: sorted.nodes.length,
    lastSign: sorted.lastSign,
    missing: missing.sorted(),
    findings: [...nodeFindings(nodes, sorted.nodes), ...workloadFindings(workloads), ...etcdFindings(nodes)],
  };
}

function componentsOf({ name: node, pods }: StaticPodNode): RunningComponent[] {
  return pods.map(({ name, component, mirrorPod }) => ({
    component: component ?? null,
    kind: "Pod",
    namespace: textOf(objectOf(mirrorPod.metadata).namespace),
    name,
    node,
    image: component === undefined ? null : componentImage(component, objectOf(mirrorPod.spec)),
  }));
}

/** A node that lacks what the others run, and a node that the cluster no longer knows. */
function nodeFindings(nodes: readonly StaticPodNode[], known: readonly KubeObject[]): Finding[] {
  const findings: Finding[] = [];
  const everywhere = new Set(nodes.flatMap((node) => node.pods.map((pod) => pod.component)));
  for (const node of nodes) {
    const has = new Set(node.pods.map((pod) => pod.component));
    const lacks = [...everywhere].filter((component) => component !== undefined && !has.has(component)).sort();
    if (lacks.length > 0) {
      const text = `runs no ${lacks.join(", no ")}, which other control-plane nodes do`;
      findings.push({ level: "warning", code: "node-lacks-component", where: `node ${node.name}`, text });
    }
    if (known.length > 0 && !known.some((each) => each.metadata.name === node.name)) {
      const text = "has mirror pods but is not among the cluster's nodes: it was removed, or renamed";
      findings.push({ level: "warning", code: "node-unknown", where: `node ${node.name}`, text });
    }
  }
  return findings;
}

function workloadFindings(workloads: readonly Workload[]): Finding[] {
  return workloads.map((workload) => ({
    level: "warning",
    code: "mixed-flavours",
    where: `${workload.kind} ${workload.namespace}/${workload.name}`,
    text: `runs "${workload.component}" beside static pods: it comes back with the API server, and is not rendered`,
  }));
}

/** An API server that dials an etcd which no static pod runs. */
function etcdFindings(nodes: readonly StaticPodNode[]): Finding[] {
  const pods = nodes.flatMap((node) => node.pods);
  if (pods.some((pod) => pod.component === "etcd")) return [];
  const urls = new Set<string>();
  for (const pod of pods) {
    if (pod.component !== "kube-apiserver") continue;
    const spec = objectOf(pod.mirrorPod.spec);
    const container = objectsOf(spec.containers)[containerIndexOf(pod.component, spec)];
    const servers = container === undefined ? undefined : flagValue(container, "etcd-servers");
    for (const url of servers?.split(",") ?? []) urls.add(url);
  }
  if (urls.size === 0) return [];
  const isLocal = [...urls].every((url) => ["127.0.0.1", "localhost", "::1"].includes(hostOf(url)));
  const text = isLocal
    ? `etcd is no static pod here: the API server dials it at ${[...urls].join(", ")}, so it runs as a service of the host`
    : `etcd is outside of this control plane, at ${[...urls].join(", ")}: restore it there first`;
  return [{ level: "info", code: "etcd-external", where: "etcd", text }];
}

function versionsOf(nodes: readonly StaticPodNode[]): string[] {
  const versions = nodes.flatMap((node) =>
    node.pods
      .filter((pod) => pod.component !== undefined && pod.component !== "etcd")
      .map((pod) => imageVersion(componentImage(defined(pod.component), objectOf(pod.mirrorPod.spec)))),
  );
  return [...new Set(versions.filter((version) => version !== undefined))].sort();
}
