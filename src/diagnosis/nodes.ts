/** Nodes that are lost, and since when; when their pods are evicted; nodes that somebody cordoned and forgot. */
import { defined } from "../errors/defined.ts";
import { kubectl } from "./command-line.ts";
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
  const lost = cluster.nodes.filter(({ ready }) => ready !== "True");
  const cordoned = cluster.nodes.filter((node) => node.cordoned !== undefined);
  return [
    ...(lost.length > MOST_SINGLE
      ? [manyLost(lost, cluster, facts)]
      : lost.map((node) => lostNode(node, cluster, facts))),
    ...cordoned.map((node) => cordonedNode(node, cluster, facts)),
  ];
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
    advice: "look first at what they share: the network, the load balancer in front of the API servers, certificates",
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
