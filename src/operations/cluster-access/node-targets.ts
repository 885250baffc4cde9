/** The nodes that a command is about, found before anything is done to any of them. */

import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import { listAll, unlessAbsent } from "../../io/api-server/api-lists.ts";
import type { ClusterApi } from "../../io/api-server/cluster-api.ts";
import { NODES } from "../../kube/api-paths.ts";
import { parseLabelSelector } from "../../kube/label-selector.ts";
import type { KubeObject } from "../../kube/object.ts";
import { inParallel } from "./in-parallel.ts";

export interface NodeTargets {
  /** May be empty where there is a selector. `node/NAME` is taken as `NAME`, as kubectl does. */
  readonly names: readonly string[];
  readonly selector?: string | undefined;
}

export function nodePath(name: string): string {
  return `${NODES}/${encodeURIComponent(name)}`;
}

/** Pods of one node, as a collection to list and watch. */
export function podsOfNode(name: string): string {
  return `/api/v1/pods?fieldSelector=${encodeURIComponent(`spec.nodeName=${name}`)}`;
}

export function podPath({ metadata }: Pick<KubeObject, "metadata">): string {
  return `/api/v1/namespaces/${encodeURIComponent(metadata.namespace ?? "")}/pods/${encodeURIComponent(metadata.name)}`;
}

/** Throws `usage` for no nodes at all, and for names and a selector at once: before any cluster is asked. */
export function readTargets(targets: NodeTargets): { readonly names: readonly string[]; readonly selector: string } {
  const { selector = "" } = targets;
  const names = [...new Set(targets.names.map((name) => name.replace(/^nodes?\//, "")))];
  if (names.length > 0 && selector !== "") {
    throw new MendError("usage", `nodes can be given by name or by ${input("selector")}, not by both`, {
      hint: "leave one of them out",
    });
  }
  if (names.length === 0 && selector === "") {
    throw new MendError("usage", "no node is given", { hint: `name one or more nodes, or pass ${input("selector")}` });
  }
  if (selector !== "") parseLabelSelector(selector);
  return { names, selector };
}

/** Each once, in the order given. Throws as {@link readTargets}, and `object-not-found` with all names that there are no nodes of. */
export async function findNodes(api: ClusterApi, targets: NodeTargets, signal?: AbortSignal): Promise<KubeObject[]> {
  const { names, selector } = readTargets(targets);
  if (selector !== "") return listAll(api, NODES, `labelSelector=${encodeURIComponent(selector)}`, signal);
  const found = await inParallel(names, (name) => unlessAbsent(api.get(nodePath(name), signal)));
  const missing = names.filter((_, i) => found[i] === undefined);
  if (missing.length > 0) throw await unknownNodes(api, missing, signal);
  return found.filter((node) => node !== undefined);
}

/** Lists what there is: a mistyped name is seen at once beside the right one. */
async function unknownNodes(api: ClusterApi, missing: readonly string[], signal?: AbortSignal): Promise<MendError> {
  const SHOWN = 10;
  const { items } = await api.list(`${NODES}?limit=${SHOWN + 1}`, signal).catch(() => ({ items: [] as KubeObject[] }));
  const known = items.map(({ metadata }) => metadata.name);
  const more = known.length > SHOWN ? ", ..." : "";
  const text = missing.map((name) => `"${name}"`).join(", ");
  return new MendError("object-not-found", `there is no node ${text}; nothing was changed`, {
    hint: known.length === 0 ? "see kubemend node status" : `name one of: ${known.slice(0, SHOWN).join(", ")}${more}`,
  });
}
