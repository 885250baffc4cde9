/** What the API server shows of each node's checkpointer: its agent's pod, and the checkpoints that the node runs. */
import { isReady } from "../kube/conditions.ts";
import { objectOf, objectsOf, textOf } from "../kube/fields.ts";
import { nodeOf } from "../kube/mirror-pod.ts";
import type { KubeObject } from "../kube/object.ts";
import { CHECKPOINT_OF_ANNOTATION } from "./checkpoint.ts";

/** On the agent's pods, as bootkube labelled its own. */
export const AGENT_LABEL = "k8s-app=pod-checkpointer";

export interface NodeCheckpointer {
  readonly node: string;
  /** Its agent's pod; null where the API server knows of none. */
  readonly agent: {
    readonly pod: string;
    readonly ready: boolean;
    /** Of its container that was started again most often. */
    readonly restarts: number;
    /** Such as `CrashLoopBackOff`; null where it runs. */
    readonly waiting: string | null;
  } | null;
  /** Pods whose copies the node runs at the moment, because the pods themselves are not there. */
  readonly running: readonly string[];
}

/** `pods`: the agents' and those of their nodes, in any order, each once or more. Sorted by node. */
export function nodeCheckpointers(pods: readonly KubeObject[]): NodeCheckpointer[] {
  const once = [...new Map(pods.map((pod) => [pod.metadata.uid ?? pod.metadata.name, pod])).values()];
  const byNode = Map.groupBy(once, nodeOf);
  return [...byNode]
    .filter(([node]) => node !== "")
    .map(([node, own]) => ({ node, agent: agentAmong(own), running: checkpointsAmong(own) }))
    .filter(({ agent, running }) => agent !== null || running.length > 0)
    .sort((a, b) => (a.node < b.node ? -1 : 1));
}

/** A DaemonSet's pod before the copy of it that runs in its absence. */
function agentAmong(pods: readonly KubeObject[]): NodeCheckpointer["agent"] {
  const [name = "", value] = AGENT_LABEL.split("=");
  const agents = pods.filter(({ metadata }) => metadata.labels?.[name] === value);
  const agent = agents.find((pod) => checkpointOf(pod) === undefined) ?? agents[0];
  if (agent === undefined) return null;
  const containers = objectsOf(objectOf(agent.status).containerStatuses);
  const waiting = containers
    .map(({ state }) => textOf(objectOf(objectOf(state).waiting).reason))
    .find((each) => each !== "");
  return {
    pod: agent.metadata.name,
    ready: isReady(agent),
    restarts: Math.max(0, ...containers.map(({ restartCount }) => Number(restartCount ?? 0))),
    waiting: waiting ?? null,
  };
}

function checkpointsAmong(pods: readonly KubeObject[]): string[] {
  return pods.flatMap((pod) => checkpointOf(pod) ?? []).sort();
}

function checkpointOf({ metadata }: KubeObject): string | undefined {
  return metadata.annotations?.[CHECKPOINT_OF_ANNOTATION];
}
