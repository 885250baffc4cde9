/** Nodes, and the pods of those that are lost. */
import { listOf, objectOf, objectsOf, textOf } from "../../controlplane/fields.ts";
import type { NodeFacts, NodePod } from "../../diagnosis/facts.ts";
import { listAll } from "../../io/api-lists.ts";
import type { ClusterApi } from "../../io/cluster-api.ts";
import type { JsonObject, KubeObject } from "../../storage/object.ts";
import type { KubeletAddress } from "./certificates.ts";
import type { Probes } from "./probes.ts";

const STATE_TAINTS: ReadonlySet<string> = new Set(
  ["not-ready", "unreachable"].flatMap((state) => [
    `node.kubernetes.io/${state}`,
    `node.alpha.kubernetes.io/${state === "not-ready" ? "notReady" : state}`, // up to 1.12
  ]),
);
const MASTER_LABELS = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master", "master"];
/** The pods of more lost nodes than this are not asked for: the trouble is another one then. */
const MOST_LOST = 10;
/** Taint based eviction is on by default since 1.13. */
const TAINT_EVICTION_MINOR = 13;

export interface NodeLook {
  readonly nodes: readonly NodeFacts[];
  readonly kubelets: readonly KubeletAddress[];
}

export async function gatherNodes(api: ClusterApi, probes: Probes, minor: number): Promise<NodeLook | undefined> {
  const objects = await probes.try("nodes", "nodes", (signal) => listAll(api, "/api/v1/nodes", "", signal));
  if (objects === undefined) return undefined;
  const nodes = objects.map((object) => nodeFacts(object, minor));
  const asked = nodes.filter(({ ready }) => ready !== "True").slice(0, MOST_LOST);
  const pods = await Promise.all(
    asked.map(
      async ({ name }) =>
        [name, await probes.try("nodes", `pods of ${name}`, (signal) => podsOf(api, name, signal))] as const,
    ),
  );
  const byNode = new Map(pods);
  return {
    nodes: nodes.map((node) => ({ ...node, pods: byNode.get(node.name) })),
    kubelets: objects.flatMap((object) => kubeletOf(object) ?? []),
  };
}

function nodeFacts({ metadata, spec, status }: KubeObject, minor: number): NodeFacts {
  const ready = objectsOf(objectOf(status).conditions).find(({ type }) => type === "Ready");
  const taints = objectsOf(objectOf(spec).taints);
  const state = textOf(ready?.status);
  const labels = metadata.labels ?? {};
  const since = timeOf(ready?.lastTransitionTime);
  const cordon = taints.find(({ key }) => key === "node.kubernetes.io/unschedulable");
  return {
    name: metadata.name,
    address: addressOf(objectOf(status)),
    isMaster: MASTER_LABELS.some((label) => labels[label] !== undefined),
    ready: state === "True" || state === "False" ? state : "Unknown",
    since: since ?? 0,
    reason: textOf(ready?.reason),
    message: textOf(ready?.message),
    cordoned: objectOf(spec).unschedulable === true ? { since: timeOf(cordon?.timeAdded) } : undefined,
    evictionTaints:
      minor < TAINT_EVICTION_MINOR
        ? []
        : taints.flatMap((taint) =>
            taint.effect === "NoExecute" && STATE_TAINTS.has(textOf(taint.key))
              ? [{ key: textOf(taint.key), since: timeOf(taint.timeAdded) ?? since ?? 0 }]
              : [],
          ),
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

async function podsOf(api: ClusterApi, node: string, signal: AbortSignal): Promise<NodePod[]> {
  const selector = encodeURIComponent(`spec.nodeName=${node}`);
  const pods = await listAll(api, "/api/v1/pods", `fieldSelector=${selector}`, signal);
  return pods.map(({ metadata, spec, status }) => ({
    namespace: metadata.namespace ?? "",
    name: metadata.name,
    phase: textOf(objectOf(status).phase),
    deleting: metadata.deletionTimestamp !== undefined,
    stays:
      metadata.annotations?.["kubernetes.io/config.mirror"] !== undefined ||
      (metadata.ownerReferences ?? []).some(({ kind }) => kind === "DaemonSet"),
    tolerations: listOf(objectOf(spec).tolerations).map((each) => tolerationOf(objectOf(each))),
  }));
}

function tolerationOf({ key, operator, effect, tolerationSeconds }: JsonObject): NodePod["tolerations"][number] {
  return {
    key: textOf(key),
    operator: textOf(operator) || "Equal",
    effect: textOf(effect),
    seconds: typeof tolerationSeconds === "number" ? tolerationSeconds : undefined,
  };
}

function timeOf(value: unknown): number | undefined {
  const time = typeof value === "string" ? Date.parse(value) : Number.NaN;
  return Number.isNaN(time) ? undefined : time;
}
