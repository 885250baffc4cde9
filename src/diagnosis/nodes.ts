/** Nodes that are lost, and since when; when their pods are evicted; nodes that somebody cordoned and forgot. */
import { defined } from "../errors/defined.ts";
import { input } from "../errors/input.ts";
import { commandLine, kubectl } from "./command-line.ts";
import type { ClusterFacts, Facts, NodeFacts } from "./facts.ts";
import { remoteServiceCommands, serviceCommands } from "./service-command.ts";
import type { Trouble } from "./trouble.ts";
import { clockText, countText, someOf, spanText } from "./words.ts";

/** Maintenance rarely takes longer. */
const FORGOTTEN_MS = 3_600_000;
/** More lost nodes than this are one trouble, not many. */
const MOST_SINGLE = 5;

export function judgeNodes(facts: Facts): Trouble[] {
  const { cluster } = facts;
  if (cluster === undefined) return [];
  const stale = cluster.nodes.filter((node) => isStale(node, cluster));
  const lost = cluster.nodes.filter((node) => node.ready !== "True" && !stale.includes(node));
  const cordoned = cluster.nodes.filter((node) => node.cordoned !== undefined);
  return [
    ...(stale.length > MOST_SINGLE
      ? [staleNodes(stale, cluster, facts)]
      : stale.map((node) => staleNodes([node], cluster, facts))),
    ...(lost.length > MOST_SINGLE
      ? [manyLost(lost, cluster, facts)]
      : lost.map((node) => lostNode(node, cluster, facts))),
    ...cordoned.map((node) => cordonedNode(node, cluster, facts)),
  ];
}

/** Pods that are bound to it and cannot end keep others from being made in their place. */
function isStale(node: NodeFacts, cluster: ClusterFacts): boolean {
  if (node.ready !== "Unknown") return false;
  const isHolding = node.pods?.some(({ deleting }) => deleting) === true;
  return successorOf(node, cluster) !== undefined || (isHolding && cluster.now - node.since > FORGOTTEN_MS);
}

/** The node that the same machine registers as now. Machines that were cloned share an identity, but no address. */
function successorOf({ name, machine, address }: NodeFacts, { nodes }: ClusterFacts): string | undefined {
  if (machine === "" || address === "") return undefined;
  const isSame = (other: NodeFacts) => other.machine === machine && other.address === address;
  return nodes.find((other) => other.name !== name && other.ready === "True" && isSame(other))?.name;
}

function staleNodes(nodes: readonly NodeFacts[], cluster: ClusterFacts, facts: Facts): Trouble {
  const { access } = facts;
  const first = defined(nodes.toSorted((a, b) => a.since - b.since)[0]);
  const names = nodes.map(({ name }) => name);
  const successor = successorOf(first, cluster);
  const since = spanText(cluster.now - first.since);
  const [restart] = restartKubelet(first, facts).commands;
  const remove = commandLine(input("remove"), ...names.map((name) => `node/${name}`));
  const fromBackup = `without an API server: kubemend snapshot restore BACKUP ${input("dataDir")} DIR ${remove}`;
  const isProved = nodes.every((node) => successorOf(node, cluster) !== undefined);
  return {
    area: "nodes",
    level: "error",
    code: "node-stale",
    where: nodes.length === 1 ? first.name : "nodes",
    text:
      nodes.length > 1
        ? `${nodes.length} of ${cluster.nodes.length} nodes are stale, the first since ${since}: ${someOf(names, 5)}`
        : successor === undefined
          ? `node "${first.name}" has not reported for ${since}, and holds pods that cannot end`
          : `node "${first.name}" has not reported for ${since}: its machine is node "${successor}" now`,
    evidence: nodes
      .slice(0, 3)
      .flatMap((node) =>
        evictionEvidence(node, cluster.now).map((line) => (nodes.length === 1 ? line : `${node.name}: ${line}`)),
      ),
    consequence:
      "StatefulSets and claims wait for these pods, DaemonSets for the node, and nothing is made in their place",
    commands: [kubectl(access, "delete", "node", ...names)],
    advice: [
      ...(isProved
        ? []
        : [
            `delete ${nodes.length === 1 ? "it" : "those"} only if the machine is gone for good or switched off: a pod that ` +
              `still runs there is made a second time${restart === undefined ? "" : `; else restart its kubelet: ${restart}`}`,
          ]),
      fromBackup,
    ].join("; "),
    explainedBy: names.flatMap((name) => [`kubelet-stopped:${name}`, `certificate-expired:kubelet:${name}`]),
  };
}

function lostNode(node: NodeFacts, { now }: ClusterFacts, facts: Facts): Trouble {
  const reason =
    node.ready === "Unknown" ? "its kubelet has stopped reporting" : `its kubelet says: ${node.message || node.reason}`;
  return {
    area: "nodes",
    level: "error",
    code: "node-not-ready",
    where: node.name,
    text: `node "${node.name}" is not ready since ${spanText(now - node.since)}: ${reason}`,
    evidence: evictionEvidence(node, now),
    consequence: "its containers may run on and serve, unseen; nothing on it is started or stopped",
    ...restartKubelet(node, facts),
    explainedBy: [`kubelet-stopped:${node.name}`, `certificate-expired:kubelet:${node.name}`],
  };
}

function manyLost(nodes: readonly NodeFacts[], { now, nodes: all }: ClusterFacts, facts: Facts): Trouble {
  const names = nodes.map(({ name }) => name);
  const first = defined(nodes.toSorted((a, b) => a.since - b.since)[0]);
  return {
    area: "nodes",
    level: "error",
    code: "node-not-ready",
    where: "nodes",
    text: `${nodes.length} of ${all.length} nodes are not ready, the first since ${spanText(now - first.since)}: ${someOf(names, 5)}`,
    evidence: nodes.slice(0, 3).flatMap((node) => evictionEvidence(node, now).map((line) => `${node.name}: ${line}`)),
    consequence: "their containers may run on and serve, unseen; where most nodes of a zone are lost, none is evicted",
    ...restartKubelet(first, facts),
    advice:
      "look first at what they share: the network, the load balancer in front of the API servers, certificates; " +
      "kubemend node status shows each",
  };
}

/** Such as `12 pods are evicted from 03:14:05Z on, in 250 s`. */
function evictionEvidence(node: NodeFacts, now: number): string[] {
  if (node.pods === undefined) return [];
  const times = node.pods.flatMap(({ deleting, due }) => (deleting || due === undefined ? [] : [due]));
  const deleting = node.pods.filter((pod) => pod.deleting).length;
  const lines: string[] = [];
  if (times.length > 0) {
    const first = Math.min(...times);
    const are = times.length === 1 ? "is" : "are";
    const when =
      first <= now
        ? `${are} due to be evicted since ${clockText(first, now)}`
        : `${are} evicted from ${clockText(first, now)} on, in ${spanText(first - now)}`;
    lines.push(`${countText(times.length, "pod")} of it ${when}`);
  }
  if (deleting > 0) {
    lines.push(
      `${countText(deleting, "pod")} of it cannot end while its kubelet does not confirm: Terminating or Unknown`,
    );
  }
  return lines;
}

function restartKubelet({ name, address, osImage }: NodeFacts, { local }: Facts): Pick<Trouble, "commands" | "advice"> {
  if (local?.nodeName !== name)
    return { commands: remoteServiceCommands(address || name, osImage, "restart", "kubelet") };
  const commands = serviceCommands(local.serviceManager, "restart", "kubelet");
  const advice = "restart the kubelet as it is started on this machine: no service manager was found";
  return { commands, ...(commands.length === 0 && { advice }) };
}

function cordonedNode(node: NodeFacts, { now }: ClusterFacts, { access }: Facts): Trouble {
  const since = node.cordoned?.since;
  const forgotten = since === undefined || now - since > FORGOTTEN_MS;
  return {
    area: "nodes",
    level: forgotten ? "warning" : "info",
    code: "node-cordoned",
    where: node.name,
    text: `node "${node.name}" is cordoned${since === undefined ? "" : ` since ${spanText(now - since)}`}`,
    evidence: [],
    consequence: "no new pod is put on it",
    commands: [kubectl(access, "uncordon", node.name)],
    ...(forgotten ? {} : { advice: "once its maintenance is done" }),
  };
}
