/** Marks nodes as taking no new pods, or as taking them again. */
import type { ClusterApi } from "../../io/api-server/cluster-api.ts";
import { isCordoned } from "../../kube/node-state.ts";
import type { KubeObject } from "../../kube/object.ts";
import { findNodes, type NodeTargets, nodePath, readTargets } from "../cluster-access/node-targets.ts";
import { type ClusterFlags, withCluster } from "../cluster-access/open-cluster.ts";

/** As kubectl's `--dry-run`. */
export type DryRun = "none" | "client" | "server";

export interface CordonOptions {
  readonly cluster: ClusterFlags;
  readonly targets: NodeTargets;
  /** True to cordon, false to uncordon. */
  readonly cordon: boolean;
  readonly dryRun: DryRun;
  readonly signal: AbortSignal;
  readonly now: () => number;
  /** Called as each node is done. */
  readonly done: (outcome: CordonOutcome) => void;
}

export interface CordonOutcome {
  readonly node: string;
  /** False where it was so already. */
  readonly changed: boolean;
}

/** Throws `object-not-found` before any node is touched if one of them is not there. */
export function cordonNodes(options: CordonOptions): Promise<void> {
  const { targets, signal, now } = options;
  readTargets(targets);
  return withCluster(options.cluster, { signal, now }, async ({ api }) => {
    for (const node of await findNodes(api, targets, signal)) {
      options.done(await cordonNode(api, node, options.cordon, options.dryRun, signal));
    }
  });
}

export async function cordonNode(
  api: ClusterApi,
  node: KubeObject,
  cordon: boolean,
  dryRun: DryRun,
  signal?: AbortSignal,
): Promise<CordonOutcome> {
  const { name } = node.metadata;
  if (isCordoned(node) === cordon) return { node: name, changed: false };
  const query = dryRun === "server" ? "?dryRun=All" : "";
  if (dryRun !== "client")
    await api.patch(`${nodePath(name)}${query}`, { spec: { unschedulable: cordon ? true : null } }, signal);
  return { node: name, changed: true };
}
