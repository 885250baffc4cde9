/** Which step a restore of several nodes takes next: a pure transition, enumerated in its test. */
import { NODE_STATES, type NodeJournal, type NodeState } from "./node-facts.ts";

/** What is done on a node to bring it out of a state into the one that follows. */
export const STEP_OF = {
  new: "receive",
  received: "stop",
  stopped: "restore",
  restored: "prepare",
  prepared: "start-etcd",
  "etcd-started": "start",
  started: "finish",
} as const;
export type NodeStep = (typeof STEP_OF)[keyof typeof STEP_OF];

export type Next =
  | { readonly do: "step"; readonly step: NodeStep; readonly nodes: readonly string[] }
  /** Some of the nodes were brought back to what they were: the operation cannot continue. */
  | { readonly do: "refuse"; readonly undone: readonly string[] }
  | { readonly do: "nothing" };

/**
 * The next step: that of the nodes that are least far, on all of these at once. A node that is further waits, so that
 * no etcd starts before every old one has stopped, and no API server before etcd is proved. `states` holds what each
 * node's journal says.
 */
export function nextStep(states: ReadonlyMap<string, NodeJournal["state"]>): Next {
  const undone = [...states].filter(([, state]) => isTakenBack(state)).map(([node]) => node);
  if (undone.length > 0) return { do: "refuse", undone };
  const ranks = new Map<string, number>(
    [...states].map(([node, state]) => [node, NODE_STATES.indexOf(state as NodeState)]),
  );
  const least = Math.min(...ranks.values());
  const state = NODE_STATES[least];
  if (state === undefined || state === "done") return { do: "nothing" };
  return {
    do: "step",
    step: STEP_OF[state],
    nodes: [...ranks].filter(([, rank]) => rank === least).map(([node]) => node),
  };
}

/** Also where it has only begun. */
export function isTakenBack(state: NodeJournal["state"]): boolean {
  return state === "undoing" || state === "undone";
}

/** The state after a step. A node that is there already has done it, perhaps for a run that was cut off and did not hear of it. */
export const STATE_AFTER = {
  receive: "received",
  begin: "received",
  stop: "stopped",
  "stop-service": "stopped",
  restore: "restored",
  prepare: "prepared",
  place: "restored",
  "start-etcd": "etcd-started",
  join: "etcd-started",
  start: "started",
  finish: "done",
} as const satisfies Readonly<Record<string, NodeState>>;

/** What a node does with a request for `step`, being in `state`. */
export function onRequest(state: NodeJournal["state"], step: keyof typeof STATE_AFTER): "do" | "done" | "refuse" {
  if (isTakenBack(state)) return "refuse";
  const isDone = NODE_STATES.indexOf(state as NodeState) >= NODE_STATES.indexOf(STATE_AFTER[step]);
  return isDone ? "done" : "do";
}

/**
 * What is left to undo on a node, the last thing first. A journal says what it is about to do before it does it, so
 * what it names may have been touched, whatever its state; nothing was before that.
 */
export function undoSteps({
  state,
  dataDir,
  made,
  manifests,
  service,
  revision,
}: NodeJournal): readonly ("stop" | "data" | "files" | "manifests" | "service")[] {
  if (state === "undone") return [];
  // Of a control-plane node beside an external etcd: it has no data, and may run again since the restore.
  const mayRun = dataDir !== null || revision !== null;
  return [
    ...(mayRun ? (["stop"] as const) : []),
    ...(dataDir === null ? [] : (["data"] as const)),
    ...(made.length === 0 ? [] : (["files"] as const)),
    ...(manifests === null ? [] : (["manifests"] as const)),
    ...(service === null ? [] : (["service"] as const)),
  ];
}

/**
 * Whether etcd had no data here before. Then it is not started when an operation is taken back: on an empty disk it may
 * begin a cluster of its own, as that of kubeadm's first control-plane node does, and an API server that holds nothing
 * has every kubelet end its pods.
 */
export function hadNoData({ dataDir }: Pick<NodeJournal, "dataDir">): boolean {
  return dataDir !== null && dataDir.member === null;
}

/** Which manifests come back when an operation is taken back: those that were there before, but for {@link hadNoData}. */
export function comesBack(
  { manifests, dataDir }: Pick<NodeJournal, "manifests" | "dataDir">,
  component: string,
  file: string,
): boolean {
  if (component === "etcd" && hadNoData({ dataDir })) return false;
  return manifests?.names.includes(file) === true;
}
