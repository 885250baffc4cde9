/** Nodes, and the pods of those that are lost. */

import type { NodeFacts, NodePod } from "../../../diagnosis/facts.ts";
import { FROM_CACHE, listAll } from "../../../io/api-server/api-lists.ts";
import type { ClusterApi } from "../../../io/api-server/cluster-api.ts";
import { conditionOf } from "../../../kube/conditions.ts";
import { objectOf, objectsOf, textOf } from "../../../kube/fields.ts";
import type { JsonObject, KubeObject } from "../../../kube/object.ts";
import { DEFAULT_EVICTION_TIMEOUT_S, type EvictionMode, evictionDue } from "../../../nodes/eviction-due.ts";
import type { KubeletAddress } from "./certificates.ts";
import type { Probes } from "./probes.ts";

const MASTER_LABELS = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master", "master"];
/** The pods of more lost nodes than this are not asked for: the trouble is another one then. */
const MOST_LOST = 10;
/** A node is a long object: smaller pages come sooner, and take less memory. */
const NODES_A_PAGE = 200;
/** Taint based eviction is on by default since 1.13. */
const TAINT_EVICTION_MINOR = 13;

export interface NodeLook {
  readonly nodes: readonly NodeFacts[];
  readonly kubelets: readonly KubeletAddress[];
}

export async function gatherNodes(api: ClusterApi, probes: Probes, minor: number): Promise<NodeLook | undefined> {
  const list = await probes.try("nodes", "nodes", (signal, comesAlong) =>
    api.listEach("/api/v1/nodes", lookAt, { signal, limit: NODES_A_PAGE, comesAlong }),
  );
  if (list === undefined) return undefined;
  const looks = list.items;
  const mode: EvictionMode =
    minor < TAINT_EVICTION_MINOR
      ? { by: "timeout", seconds: DEFAULT_EVICTION_TIMEOUT_S, assumed: true }
      : { by: "taints" };
  const asked = looks.flatMap(({ lost }) => lost ?? []).slice(0, MOST_LOST);
  const pods = await Promise.all(
    asked.map(async (object) => {
      const { name } = object.metadata;
      return [
        name,
        await probes.try("nodes", `pods of ${name}`, (signal) => podsOf(api, object, mode, signal)),
      ] as const;
    }),
  );
  const byNode = new Map(pods);
  return {
    nodes: looks.map(({ facts }) => ({ ...facts, pods: byNode.get(facts.name) })),
    kubelets: looks.flatMap(({ kubelet }) => kubelet ?? []),
  };
}

interface Look {
  readonly facts: NodeFacts;
  readonly kubelet: KubeletAddress | undefined;
  /** The node itself, where it is not ready, without what is long of it. */
  readonly lost: KubeObject | undefined;
}

/** Nodes are long objects (which images they have alone is some KB): of thousands only what is judged is kept. */
function lookAt(node: KubeObject): Look {
  const facts = nodeFacts(node);
  const { metadata, spec, status, ...type } = node;
  const { conditions } = objectOf(status);
  const lost = facts.ready === "True" ? undefined : { ...type, metadata, spec, status: { conditions } };
  return { facts, kubelet: kubeletOf(node), lost: lost as KubeObject | undefined };
}

function nodeFacts(node: KubeObject): NodeFacts {
  const { metadata, spec, status } = node;
  const ready = conditionOf(node, "Ready");
  const taints = objectsOf(objectOf(spec).taints);
  const state = textOf(ready?.status);
  const labels = metadata.labels ?? {};
  const nodeInfo = objectOf(objectOf(status).nodeInfo);
  const since = timeOf(ready?.lastTransitionTime);
  const cordon = taints.find(({ key }) => key === "node.kubernetes.io/unschedulable");
  return {
    name: metadata.name,
    address: addressOf(objectOf(status)),
    osImage: textOf(nodeInfo.osImage),
    machine: textOf(nodeInfo.systemUUID) || textOf(nodeInfo.machineID),
    isControlPlaneNode: MASTER_LABELS.some((label) => labels[label] !== undefined),
    ready: state === "True" || state === "False" ? state : "Unknown",
    since: since ?? 0,
    reason: textOf(ready?.reason),
    message: textOf(ready?.message),
    cordoned: objectOf(spec).unschedulable === true ? { since: timeOf(cordon?.timeAdded) } : undefined,
    pods: undefined,
  };
}

function kubeletOf({ metadata, status }: KubeObject): KubeletAddress | undefined {
  const address = addressOf(objectOf(status));
  const port = Number(objectOf(objectOf(objectOf(status).daemonEndpoints).kubeletEndpoint).Port);
  return address === "" || !(port > 0) ? undefined : { name: metadata.name, address, port };
}

function addressOf(status: JsonObject): string {
  const addresses = objectsOf(status.addresses);
  const found = addresses.find(({ type }) => type === "InternalIP") ?? addresses[0];
  return textOf(found?.address);
}

async function podsOf(api: ClusterApi, node: KubeObject, mode: EvictionMode, signal: AbortSignal): Promise<NodePod[]> {
  const selector = encodeURIComponent(`spec.nodeName=${node.metadata.name}`);
  const pods = await listAll(api, "/api/v1/pods", `fieldSelector=${selector}&${FROM_CACHE}`, signal);
  return pods.map((pod) => {
    const due = evictionDue(pod, node, mode);
    return {
      namespace: pod.metadata.namespace ?? "",
      name: pod.metadata.name,
      deleting: pod.metadata.deletionTimestamp !== undefined,
      due: due.when === "at" ? due.time : undefined,
    };
  });
}

function timeOf(value: unknown): number | undefined {
  const time = typeof value === "string" ? Date.parse(value) : Number.NaN;
  return Number.isNaN(time) ? undefined : time;
}
