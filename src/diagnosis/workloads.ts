/**
 * Pods that nobody schedules, Deployments that nobody looks at, ReplicaSets that nobody fills: consequences first of
 * all, and reported as such.
 */
import { defined } from "../errors/defined.ts";
import { kubectl } from "./command-line.ts";
import type { ClusterFacts, Facts, PendingPod } from "./facts.ts";
import type { Trouble } from "./trouble.ts";
import { countText, someOf, spanText } from "./words.ts";

/** A scheduler that is not busy decides within milliseconds. */
const IGNORED_MS = 15_000;

/** Whether its scheduler should have said something of it by now. */
export function isIgnored({ node, verdict, created }: PendingPod, now: number): boolean {
  return node === "" && verdict === undefined && now - created > IGNORED_MS;
}

export function judgeWorkloads(facts: Facts): Trouble[] {
  const { cluster } = facts;
  if (cluster === undefined) return [];
  const waiting = cluster.pendingPods.filter(({ node }) => node === "");
  const ignored = waiting.filter((pod) => isIgnored(pod, cluster.now));
  const unplaced = waiting.filter(({ verdict }) => verdict !== undefined);
  return [
    ...ignoredPods(ignored, cluster, facts),
    ...unplacedPods(unplaced, facts),
    ...laggingDeployments(cluster, facts),
    ...shortReplicaSets(cluster, facts),
  ];
}

const nameOf = ({ namespace, name }: { readonly namespace: string; readonly name: string }) => `${namespace}/${name}`;

/** Whoever has caught up with something works, and has more to do than it can: nothing is broken. */
function behind(who: string, did: string): Pick<Trouble, "level" | "advice"> {
  return { level: "warning", advice: `${who} works, and is behind: it ${did} in the meantime; look again in a minute` };
}

function ignoredPods(pods: readonly PendingPod[], { now, caughtUp }: ClusterFacts, { access }: Facts): Trouble[] {
  const groups = Map.groupBy(pods, ({ schedulerName }) => schedulerName);
  return [...groups].map(([scheduler, group]): Trouble => {
    const oldest = Math.min(...group.map(({ created }) => created));
    const isDefault = scheduler === "default-scheduler" || scheduler === "";
    const placed = caughtUp.pods.get(scheduler) ?? 0;
    return {
      area: "workloads",
      level: "error",
      code: "pods-ignored-by-scheduler",
      where: `scheduler "${scheduler}"`,
      text:
        `${countText(group.length, "pod")} waiting for a node, up to ${spanText(now - oldest)}, without ` +
        `a word of the scheduler${isDefault ? "" : ` "${scheduler}"`}: ${someOf(group.map(nameOf))}`,
      evidence: [],
      consequence: "they stay Pending",
      commands: [kubectl(access, "-n", defined(group[0]).namespace, "describe", "pod", defined(group[0]).name)],
      advice: isDefault
        ? "the scheduler holds its lease and does not schedule: see its log; often it lacks a right"
        : `nobody calls itself "${scheduler}": start that scheduler, or correct schedulerName`,
      ...(placed > 0 && behind("the scheduler", `took up ${countText(placed, "pod")}`)),
      explainedBy: isDefault ? ["scheduler-down"] : [],
    };
  });
}

function unplacedPods(pods: readonly PendingPod[], { access }: Facts): Trouble[] {
  if (pods.length === 0) return [];
  const [first] = pods;
  return [
    {
      area: "workloads",
      level: "warning",
      code: "pods-unschedulable",
      where: "pods",
      text: `${countText(pods.length, "pod")} fit${pods.length === 1 ? "s" : ""} no node: ${someOf(pods.map(nameOf))}`,
      evidence: [...new Set(pods.map(({ verdict }) => verdict?.message ?? ""))].filter(Boolean).slice(0, 3),
      consequence: "they stay Pending",
      commands: [kubectl(access, "-n", defined(first).namespace, "describe", "pod", defined(first).name)],
      advice: "add nodes or free resources, or take back what they ask for",
      explainedBy: ["scheduler-down", "node-not-ready", "node-stale", "node-cordoned", "kubelet-stopped"],
    },
  ];
}

function laggingDeployments({ laggingDeployments: lagging, caughtUp }: ClusterFacts, { access }: Facts): Trouble[] {
  if (lagging.length === 0) return [];
  const [first] = lagging;
  return [
    {
      area: "workloads",
      level: "error",
      code: "deployments-lagging",
      where: "deployments",
      text: `${countText(lagging.length, "Deployment")} changed without any controller taking notice: ${someOf(lagging.map(nameOf))}`,
      evidence: lagging
        .slice(0, 2)
        .map(
          (each) => `${nameOf(each)} is at generation ${each.generation}, and ${each.observedGeneration} was observed`,
        ),
      consequence: "changes to them have no effect",
      commands: [kubectl(access, "-n", defined(first).namespace, "describe", "deployment", defined(first).name)],
      advice: "the controller manager holds its lease and does not work: see its log",
      ...(caughtUp.deployments > 0 &&
        behind("the controller manager", `took notice of ${countText(caughtUp.deployments, "Deployment")}`)),
      explainedBy: ["controller-manager-down"],
    },
  ];
}

function shortReplicaSets({ shortReplicaSets: short, caughtUp }: ClusterFacts, { access }: Facts): Trouble[] {
  if (short.length === 0) return [];
  const [first] = short;
  const missing = short.reduce((sum, { wanted, there }) => sum + wanted - there, 0);
  const failures = [...new Set(short.flatMap(({ failure }) => failure ?? []))];
  return [
    {
      area: "workloads",
      level: "error",
      code: "replicasets-short",
      where: "replicasets",
      text:
        `${countText(missing, "pod")} of ${countText(short.length, "ReplicaSet")} ` +
        `${missing === 1 ? "is" : "are"} missing, and nobody makes ${missing === 1 ? "it" : "them"}: ` +
        `${someOf(short.map((each) => `${nameOf(each)} (${each.there} of ${each.wanted})`))}`,
      evidence: failures.slice(0, 3),
      consequence: "these run with fewer pods than they should",
      commands: [kubectl(access, "-n", defined(first).namespace, "describe", "replicaset", defined(first).name)],
      advice: "its events say why",
      ...(caughtUp.replicaSets > 0 &&
        failures.length === 0 &&
        behind("the controller manager", `made pods of ${countText(caughtUp.replicaSets, "ReplicaSet")}`)),
      explainedBy: ["controller-manager-down", ...failures.flatMap(causeOf)],
    },
  ];
}

/** The API server's own refusals, as the controller repeats them. */
function causeOf(failure: string): string[] {
  if (failure.includes("exceeded quota")) return ["quota-blocks"];
  return failure.includes("failed calling webhook") || failure.includes("admission webhook")
    ? ["webhook-without-backend"]
    : [];
}
