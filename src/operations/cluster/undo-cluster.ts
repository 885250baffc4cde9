/** `cluster undo`: every node becomes what it was before an operation. The restored data stays beside the old. */

import type { NodeJournal } from "../../cluster/node-facts.ts";
import { isTakenBack } from "../../cluster/restore-state.ts";
import { MendError } from "../../errors/errors.ts";
import { callNode, inTurn, type NodeTarget, onEach, type Reach } from "./nodes.ts";
import type { ClusterEvent } from "./restore-cluster.ts";

export interface ClusterUndoOptions {
  readonly targets: readonly NodeTarget[];
  readonly reach: (target: NodeTarget) => Promise<Reach>;
  readonly signal: AbortSignal;
  readonly on: (event: ClusterEvent) => void;
}

export interface ClusterUndone {
  /** Names of the nodes that were brought back, in the order in which they were given. */
  readonly nodes: readonly string[];
  /**
   * Whether the operation's etcd was served by API servers: clients may have seen revisions that what is back has not
   * reached, and hear of nothing until it has.
   */
  readonly wasServed: boolean;
}

/** Throws `not-found` where no node knows the operation. */
export async function undoCluster(id: string, options: ClusterUndoOptions): Promise<ClusterUndone> {
  const { targets, signal, on } = options;
  const reaches = new Map<string, Reach>();
  await onEach(targets, async (target) => void reaches.set(target.name, await options.reach(target)));
  const all = async (step: "undo-data" | "undo-finish"): Promise<Map<string, NodeJournal | null>> => {
    const found = new Map<string, NodeJournal | null>();
    // The old members start one after the other: they may check their peers' data first.
    const onNodes = step === "undo-finish" ? inTurn<NodeTarget, void> : onEach<NodeTarget, void>;
    await onNodes(targets, async (target) => {
      const reach = reaches.get(target.name);
      if (reach === undefined) return;
      on({ kind: "step", step: "undo", node: target.name, state: "begun" });
      const report = (text: string): void => on({ kind: "progress", node: target.name, text });
      found.set(target.name, (await callNode(target, { step, id }, reach, { signal, report })) as NodeJournal | null);
      on({ kind: "step", step: "undo", node: target.name, state: "done" });
    });
    return found;
  };
  const known = [...(await all("undo-data"))].filter(([, journal]) => journal !== null);
  if (known.length === 0) {
    throw new MendError("not-found", `no node knows an operation "${id}"`, {
      where: id,
      hint: `look into /var/lib/kubemend/cluster on ${targets.map(({ name }) => name).join(", ")}`,
    });
  }
  await all("undo-finish");
  const back = new Set(known.map(([name]) => name));
  return {
    nodes: targets.map(({ name }) => name).filter((name) => back.has(name)),
    wasServed: known.some(([, journal]) => journal !== null && mayHaveServed(journal)),
  };
}

/** One that a run before this has begun to take back does not say how far it had come. */
function mayHaveServed({ state, revision }: NodeJournal): boolean {
  return state === "started" || state === "done" || (isTakenBack(state) && revision !== null);
}
