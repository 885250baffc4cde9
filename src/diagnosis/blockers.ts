/**
 * What blocks everything, or a namespace, or a drain, while all programs run: webhooks, aggregated APIs, finalizers,
 * quotas, disruption budgets.
 */

import { input } from "../errors/input.ts";
import { parseQuantity, quantityText } from "../kube/quantity.ts";
import { type CommandAccess, commandLine, kubectl } from "./command-line.ts";
import type {
  ApiServiceFacts,
  ClusterFacts,
  DisruptionBudgetFacts,
  Facts,
  QuotaFacts,
  ScaledDownDeployment,
  ShortReplicaSet,
  StuckNamespace,
  WebhookFacts,
} from "./facts.ts";
import type { Trouble } from "./trouble.ts";
import { judgeUnreadable } from "./unreadable-objects.ts";
import { countText, someOf, spanText } from "./words.ts";

/** An ordinary namespace is gone in seconds. */
const STUCK_MS = 15_000;
const MOST_PATCHES = 5;

export function judgeBlockers(facts: Facts): Trouble[] {
  const { cluster, access } = facts;
  if (cluster === undefined) return judgeUnreadable(facts);
  return [
    ...judgeUnreadable(facts),
    ...cluster.webhooks.map((webhook) => deadWebhook(webhook, access)),
    ...cluster.apiServices.map((service) => deadApiService(service, access)),
    ...cluster.namespaces.flatMap((namespace) => stuckNamespace(namespace, cluster, access)),
    ...cluster.quotas.flatMap((quota) => fullQuota(quota, cluster, access)),
    ...cluster.disruptionBudgets.flatMap((budget) => closedBudget(budget, access)),
  ];
}

const blocker = (given: Omit<Trouble, "area" | "level"> & { readonly level?: Trouble["level"] }): Trouble => ({
  area: "blockers",
  level: "error",
  ...given,
});

function scaleUp({ namespace, name }: ScaledDownDeployment, access: CommandAccess): string {
  return kubectl(access, "-n", namespace, "scale", "deployment", name, "--replicas=1");
}

function scaledDown({ namespace, name }: ScaledDownDeployment): string {
  return `its Deployment ${namespace}/${name} is scaled to 0`;
}

/** Where the API server itself cannot get past the object. */
function fromBackup(objects: readonly string[], namespace?: string): string {
  const scope = namespace === undefined ? [] : ["-n", namespace];
  const remove = commandLine(input("remove"), ...objects, ...scope);
  return `if the API server does not come up with it: kubemend snapshot restore BACKUP ${input("dataDir")} DIR ${remove}`;
}

function deadWebhook(webhook: WebhookFacts, access: CommandAccess): Trouble {
  const { configuration, name, service, fault, deployment, kind, index } = webhook;
  const backend = `service ${service.namespace}/${service.name}`;
  const patch = JSON.stringify([{ op: "replace", path: `/webhooks/${index}/failurePolicy`, value: "Ignore" }]);
  return blocker({
    code: "webhook-without-backend",
    where: `${kind} ${configuration}`,
    text:
      `webhook "${name}" fails closed, and ` +
      (fault === "service-missing" ? `its ${backend} does not exist` : `nobody serves its ${backend}`),
    evidence: deployment === undefined ? [] : [scaledDown(deployment)],
    consequence: `the API server refuses: ${webhook.intercepts}`,
    commands: [
      deployment === undefined
        ? kubectl(access, "patch", kind.toLowerCase(), configuration, "--type=json", `-p=${patch}`)
        : scaleUp(deployment, access),
    ],
    ...(deployment === undefined && {
      advice:
        `this lets through what it would have checked: set failurePolicy to "Fail" again when its ` +
        `backend is back; ${fromBackup([`${kind.toLowerCase()}/${configuration}`])}`,
    }),
  });
}

function deadApiService(
  { name, reason, message, service, deployment }: ApiServiceFacts,
  access: CommandAccess,
): Trouble {
  const saved = `${name}.yaml`;
  return blocker({
    code: "apiservice-unavailable",
    where: `APIService ${name}`,
    text: `aggregated API "${name}" is not available: ${message || reason}`,
    evidence: [
      ...(service === undefined ? [] : [`it is served by ${service.namespace}/${service.name}`]),
      ...(deployment === undefined ? [] : [scaledDown(deployment)]),
    ],
    consequence: "what it serves cannot be had; namespaces cannot be deleted, and garbage is not collected",
    commands:
      deployment === undefined
        ? [
            `${kubectl(access, "get", "apiservice", name, "-o", "yaml")} > ${commandLine(saved)}`,
            kubectl(access, "delete", "apiservice", name),
          ]
        : [scaleUp(deployment, access)],
    ...(deployment === undefined && {
      advice: `create it again from ${saved} when its backend is back; ${fromBackup([`apiservice/${name}`])}`,
    }),
  });
}

function stuckNamespace(namespace: StuckNamespace, { now }: ClusterFacts, access: CommandAccess): Trouble[] {
  const { name, since, conditions, finalizers, ownFinalizers, remaining } = namespace;
  if (now - since < STUCK_MS) return [];
  const discovery = conditions.some(({ type }) => type === "NamespaceDeletionDiscoveryFailure");
  const held = remaining.filter((each) => each.finalizers.length > 0);
  const named = [...new Set([...finalizers, ...ownFinalizers, ...held.flatMap((each) => each.finalizers)])];
  const patch = JSON.stringify({ metadata: { finalizers: null } });
  const patches = held
    .slice(0, MOST_PATCHES)
    .map((each) => kubectl(access, "-n", name, "patch", each.resource, each.name, "--type=merge", `-p=${patch}`));
  const own =
    ownFinalizers.length === 0 ? [] : [kubectl(access, "patch", "namespace", name, "--type=merge", `-p=${patch}`)];
  const finalize = commandLine("replace", "--raw", `/api/v1/namespaces/${name}/finalize`, "-f", "-");
  return [
    blocker({
      code: "namespace-stuck",
      where: `namespace ${name}`,
      text:
        `namespace "${name}" has been terminating for ` +
        `${spanText(now - since)}${named.length > 0 ? `, held by finalizer ${named.map((each) => `"${each}"`).join(", ")}` : ""}`,
      evidence: conditions.map(({ message }) => message),
      consequence: "it stays, and nothing can be made in it",
      commands: [
        ...patches,
        ...own,
        ...(finalizers.length === 0
          ? []
          : [
              `${kubectl(access, "get", "namespace", name, "-o", "json")} | sed '/"finalizers": \\[/,/\\]/d' ` +
                `| ${kubectl(access)} ${finalize}`,
            ]),
      ],
      ...(named.length > 0 && {
        advice: [
          "a finalizer waits for whoever is to clean up: have it run again; without it, what it would clean up stays behind",
          held.length === 0
            ? fromBackup([`namespace/${name}`])
            : fromBackup(
                held.slice(0, MOST_PATCHES).map((each) => `${each.resource}/${each.name}`),
                name,
              ),
        ].join("; "),
      }),
      explainedBy: ["controller-manager-down", ...(discovery || held.length === 0 ? ["apiservice-unavailable"] : [])],
    }),
  ];
}

/** A quota that is used up matters where somebody is refused for it. */
function fullQuota(quota: QuotaFacts, { shortReplicaSets }: ClusterFacts, access: CommandAccess): Trouble[] {
  const { namespace, name, full } = quota;
  const refused = shortReplicaSets.filter(
    (each) => each.namespace === namespace && each.failure?.includes(`exceeded quota: ${name},`),
  );
  const use = full.map(({ resource, used, hard }) => `${resource} ${used} of ${hard}`);
  if (refused.length === 0) return [];
  const hard = Object.fromEntries(needed(refused, name));
  const missing = refused.reduce((sum, { wanted, there }) => sum + wanted - there, 0);
  return [
    blocker({
      code: "quota-blocks",
      where: `quota ${namespace}/${name}`,
      text: `quota "${namespace}/${name}" refuses ${countText(missing, "pod")} of ${someOf(refused.map((each) => each.name))}`,
      evidence: [...use, ...refused.slice(0, 2).map(({ failure }) => failure ?? "")],
      consequence: "these workloads run with fewer pods than they should, or none",
      commands: [
        kubectl(
          access,
          "-n",
          namespace,
          "patch",
          "quota",
          name,
          "--type=merge",
          `-p=${JSON.stringify({ spec: { hard } })}`,
        ),
      ],
      advice: "or scale down what needs less",
    }),
  ];
}

/** New limits, by the quota's own words: `exceeded quota: NAME, requested: pods=1, used: pods=3, limited: pods=3`. */
function needed(refused: readonly ShortReplicaSet[], quota: string): Map<string, string> {
  const limits = new Map<string, { like: string; value: number }>();
  for (const { failure = "", wanted, there } of refused) {
    const detail = failure.slice(failure.indexOf(`exceeded quota: ${quota},`));
    const list = (word: string) =>
      new Map(pairs(new RegExp(`${word}: (\\S+=\\S+?(?:,\\S+=\\S+?)*)(?:, |$)`).exec(detail)?.[1]));
    const [requested, used, limited] = [list("requested"), list("used"), list("limited")];
    for (const [resource, amount] of requested) {
      const like = limited.get(resource);
      if (like === undefined) continue;
      const before = limits.get(resource)?.value ?? parseQuantity(used.get(resource) ?? "0");
      limits.set(resource, { like, value: before + parseQuantity(amount) * (wanted - there) });
    }
  }
  return new Map([...limits].map(([resource, { like, value }]) => [resource, quantityText(value, like)]));
}

function pairs(text: string | undefined): [string, string][] {
  return (text ?? "")
    .split(",")
    .filter((each) => each.includes("="))
    .map((each) => [each.slice(0, each.indexOf("=")), each.slice(each.indexOf("=") + 1)]);
}

/** One that never allows anything blocks every drain; one whose pods are not healthy waits for what is wrong with them. */
function closedBudget(budget: DisruptionBudgetFacts, access: CommandAccess): Trouble[] {
  const { namespace, name, allowed, expected, healthy, desired, replicasToFree: more, letsUnreadyGo } = budget;
  if (allowed > 0 || (expected === 0 && healthy === 0)) return [];
  const isUncounted = expected === 0;
  const never = desired >= expected || isUncounted;
  const open = JSON.stringify({ spec: { minAvailable: null, maxUnavailable: 1 } });
  const where = `PodDisruptionBudget ${namespace}/${name}`;
  const advice = [
    ...(never && more !== undefined && !isUncounted ? [`or run ${countText(more, "pod")} more`] : []),
    ...(never && (more === undefined || isUncounted)
      ? [
          isUncounted
            ? "or delete these pods themselves"
            : "more replicas never help: what must be healthy grows with them",
        ]
      : []),
    ...(healthy < expected && !letsUnreadyGo
      ? ["pods that are not ready go at once with unhealthyPodEvictionPolicy: AlwaysAllow (Kubernetes 1.27)"]
      : []),
  ];
  return [
    blocker({
      level: "warning",
      code: never ? "budget-allows-nothing" : "budget-waits",
      where,
      text: isUncounted
        ? `disruption budget "${namespace}/${name}" never allows an eviction: the pods that it selects have no controller that scales them`
        : never
          ? `disruption budget "${namespace}/${name}" never allows an eviction: it wants ${desired} of ` +
            `${countText(expected, "pod")} healthy`
          : `disruption budget "${namespace}/${name}" allows no eviction now: ${healthy} of ` +
            `${countText(expected, "pod")} healthy, and it wants ${desired}`,
      evidence: [],
      consequence: "nodes that run these pods cannot be drained",
      commands: [
        never
          ? kubectl(access, "-n", namespace, "patch", "pdb", name, "--type=merge", `-p=${open}`)
          : kubectl(access, "-n", namespace, "describe", "pdb", name),
      ],
      ...(advice.length > 0 && { advice: advice.join("; ") }),
      explainedBy: [
        "controller-manager-down",
        ...(healthy < expected
          ? [
              "scheduler-down",
              "node-not-ready",
              "node-stale",
              "kubelet-stopped",
              "quota-blocks",
              "webhook-without-backend",
              "pods-unschedulable",
            ]
          : []),
      ],
    }),
  ];
}
