/**
 * What the API server reports of the cluster, in parallel lists that are no larger than they need be. What looks wrong
 * for a moment is looked at twice.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { caughtUp, NOTHING_CAUGHT_UP } from "../../../diagnosis/caught-up.ts";
import type { CertificateFact, ClusterFacts, ComponentFacts, LocalFacts } from "../../../diagnosis/facts.ts";
import { looksStale } from "../../../diagnosis/leases.ts";
import { isIgnored } from "../../../diagnosis/workloads.ts";
import type { ClusterApi } from "../../../io/api-server/cluster-api.ts";
import type { KubeObject } from "../../../kube/object.ts";
import { apiServices, disruptionBudgets, quotas, stuckNamespaces, webhooks } from "./blockers.ts";
import { kubeletCertificates } from "./certificates.ts";
import { gatherComponents, type LeaseLook, type LeasePlaces, lookAtLeases } from "./components.ts";
import { gatherNodes, type NodeLook } from "./nodes.ts";
import type { Probes } from "./probes.ts";
import { unreadableObjects } from "./unreadable-objects.ts";
import {
  countPods,
  laggingDeployments,
  listDeployments,
  lookAtReplicaSets,
  pendingPods,
  replicaSetsShortOfPods,
} from "./workloads.ts";

/** A leader renews every 2 s, and controllers take notice within one: what is still so after this is no passing moment. */
const SECOND_LOOK_MS = 3500;

export interface ClusterLook {
  readonly facts: ClusterFacts;
  /** Served by kubelets. */
  readonly certificates: readonly CertificateFact[];
}

/** `serverNow` is the API server's clock. */
export async function gatherCluster(
  api: ClusterApi,
  minor: number,
  local: LocalFacts | undefined,
  probes: Probes,
  serverNow: () => number,
): Promise<ClusterLook> {
  // Kubelets are out of reach where the API server is beyond a proxy.
  const certificatesOf = ({ kubelets }: NodeLook) =>
    api.access.proxy === undefined ? kubeletCertificates(kubelets) : Promise.resolve([]);
  const deployments = probes.try("workloads", "Deployments", (signal, comesAlong) =>
    listDeployments(api, { signal, comesAlong }),
  );
  const replicaSets = probes.try("workloads", "ReplicaSets", (signal, comesAlong) =>
    lookAtReplicaSets(api, signal, comesAlong),
  );
  const [{ components, places, staticPods }, nodes, podCount, pending, hooks, services, namespaces, ...rest] =
    await Promise.all([
      gatherComponents(api, probes, deployments, local, serverNow),
      gatherNodes(api, probes, minor).then(
        async (look) => look && { ...look, certificates: await certificatesOf(look) },
      ),
      probes.try("workloads", "pods", (signal) => countPods(api, signal)),
      probes.try("workloads", "pods", (signal) => pendingPods(api, signal)),
      probes.try("blockers", "webhooks", async (signal) => webhooks(api, (await deployments) ?? [], signal)),
      probes.try("blockers", "APIServices", async (signal) => apiServices(api, (await deployments) ?? [], signal)),
      probes.try("blockers", "namespaces", (signal) => stuckNamespaces(api, signal)),
      probes.try("blockers", "quotas", (signal) => quotas(api, signal)),
      probes.try("blockers", "disruption budgets", (signal) => disruptionBudgets(api, signal)),
      probes.try("blockers", "secrets", (signal) => unreadableObjects(api, signal)),
    ]);
  const [quota, budgets, unreadable] = rest;
  const again = await lookAgain(api, probes, serverNow, {
    components,
    places,
    deployments: (await deployments) ?? [],
    short: (await replicaSets)?.short ?? [],
    pending: pending ?? [],
  });
  return {
    facts: {
      now: serverNow(),
      minor,
      staticPods,
      nodes: nodes?.nodes ?? [],
      podCount,
      webhooks: hooks ?? [],
      apiServices: services ?? [],
      namespaces: namespaces ?? [],
      quotas: quota ?? [],
      disruptionBudgets: budgets ?? [],
      unreadable: unreadable ?? [],
      ...again,
    },
    certificates: nodes?.certificates ?? [],
  };
}

interface FirstLook {
  readonly components: readonly ComponentFacts[];
  readonly places: LeasePlaces;
  readonly deployments: readonly KubeObject[];
  readonly short: ClusterFacts["shortReplicaSets"];
  readonly pending: ClusterFacts["pendingPods"];
}

type SecondLook = Pick<
  ClusterFacts,
  "components" | "pendingPods" | "laggingDeployments" | "shortReplicaSets" | "caughtUp"
>;

/**
 * Leases that look abandoned, pods that nobody places, Deployments that lag and ReplicaSets that are short may be none of
 * it a moment later; and where some of many are not, whoever takes care of them is at work.
 */
async function lookAgain(
  api: ClusterApi,
  probes: Probes,
  serverNow: () => number,
  { components, places, deployments, short, pending }: FirstLook,
): Promise<SecondLook> {
  const lagging = laggingDeployments(deployments);
  const doubtful = components.filter(({ lease }) => lease !== undefined && looksStale(lease, serverNow()));
  const ignored = pending.filter((pod) => isIgnored(pod, serverNow()));
  if (doubtful.length + lagging.length + short.length + ignored.length === 0) {
    const nothing = { laggingDeployments: [], shortReplicaSets: [], caughtUp: NOTHING_CAUGHT_UP };
    return { components, pendingPods: pending, ...nothing };
  }
  await sleep(SECOND_LOOK_MS, undefined, { signal: probes.signal });
  const [leases, deploymentsNow, replicaSetsNow, pendingNow] = await Promise.all([
    doubtful.length === 0
      ? undefined
      : probes.try("scheduler", "leases", (signal) => lookAtLeases(api, places, serverNow, signal)),
    lagging.length === 0
      ? []
      : probes.try("workloads", "Deployments", (signal, comesAlong) => listDeployments(api, { signal, comesAlong })),
    short.length === 0
      ? undefined
      : probes.try("workloads", "ReplicaSets", (signal, comesAlong) => lookAtReplicaSets(api, signal, comesAlong)),
    ignored.length === 0 ? pending : probes.try("workloads", "pods", (signal) => pendingPods(api, signal)),
  ]);
  const laggingNow = laggingDeployments(deploymentsNow ?? []);
  const judged = components.map((component) => watched(component, doubtful.includes(component), leases));
  const managerDown = judged.some(
    ({ name, lease, leaseDoubt }) =>
      name === "kube-controller-manager" && lease?.renewedMeanwhile === false && leaseDoubt === undefined,
  );
  const key = (each: { readonly namespace: string; readonly name: string }) => `${each.namespace}/${each.name}`;
  const before = new Set([...lagging, ...short].map(key));
  const behind = new Set(laggingNow.map(key));
  const observed = deploymentsNow
    ?.map(({ metadata: { namespace = "", name } }) => ({ namespace, name }))
    .filter((each) => !behind.has(key(each)));
  const still = (replicaSetsNow?.short ?? []).filter((each) => before.has(key(each)));
  return {
    components: judged,
    pendingPods: pendingNow ?? pending,
    laggingDeployments: laggingNow.filter((each) => before.has(key(each))),
    // Nobody keeps the status of ReplicaSets while there is no controller manager: their pods are counted.
    shortReplicaSets: managerDown
      ? ((await probes.try("workloads", "pods", (signal, comesAlong) =>
          replicaSetsShortOfPods(api, signal, comesAlong),
        )) ?? still)
      : still,
    caughtUp: caughtUp({ ignored, lagging, short }, { pending: pendingNow, observed, pods: replicaSetsNow?.pods }),
  };
}

function watched(component: ComponentFacts, doubtful: boolean, leases: LeaseLook | undefined): ComponentFacts {
  const { lease, name } = component;
  const now = leases?.get(name);
  if (!doubtful || lease === undefined || now === undefined) return component;
  const renewedMeanwhile = now.holder !== "" && (now.renewed !== lease.renewed || now.holder !== lease.holder);
  return { ...component, lease: { ...now, renewedMeanwhile } };
}
