/** Which node a rescue pod is put on: nobody schedules it. */

import { defined } from "../errors/defined.ts";
import { MendError } from "../errors/errors.ts";
import { input } from "../errors/input.ts";
import { compare } from "../kube/compare-text.ts";
import { isReady } from "../kube/conditions.ts";
import { objectOf, textOf } from "../kube/fields.ts";
import type { JsonObject, KubeObject } from "../kube/object.ts";

export interface NodeWishes {
  /** `--node`: this one and no other. */
  readonly asked?: string | undefined;
  /** Where the template's files are known to be. */
  readonly preferred?: string | undefined;
  /** The template's own. */
  readonly nodeSelector: JsonObject;
  /** Nodes where a pod of the component runs and holds its port. */
  readonly occupied: ReadonlySet<string>;
  /** Nodes that run an API server: masters, where no node says so by label. */
  readonly apiServerNodes: ReadonlySet<string>;
}

/** Whether the node says by label that it carries the control plane, in any of the ways of the years. */
export function isControlPlaneNode({ metadata }: KubeObject): boolean {
  const labels = metadata.labels ?? {};
  return (
    "node-role.kubernetes.io/control-plane" in labels ||
    "node-role.kubernetes.io/master" in labels ||
    ("master" in labels && labels.master !== "false")
  );
}

/**
 * Throws `object-not-found` for a node that was asked for and is not there, `control-plane-not-found` where none will
 * do, with the reason for each.
 */
export function pickNode(nodes: readonly KubeObject[], wishes: NodeWishes): KubeObject {
  const { asked } = wishes;
  if (asked !== undefined) return askedNode(nodes, asked);
  const labelled = nodes.filter(isControlPlaneNode);
  const controlPlaneNodes =
    labelled.length > 0 ? labelled : nodes.filter(({ metadata }) => wishes.apiServerNodes.has(metadata.name));
  const usable = controlPlaneNodes.filter((node) => whyNot(node) === undefined);
  if (usable.length === 0) throw noneUsable(controlPlaneNodes, nodes.length);
  const rank = (node: KubeObject) =>
    (node.metadata.name === wishes.preferred ? 0 : 1) +
    (matches(node, wishes.nodeSelector) ? 0 : 2) +
    (wishes.occupied.has(node.metadata.name) ? 4 : 0);
  return defined(usable.sort((a, b) => rank(a) - rank(b) || compare(a.metadata.name, b.metadata.name))[0]);
}

function askedNode(nodes: readonly KubeObject[], asked: string): KubeObject {
  const node = nodes.find(({ metadata }) => metadata.name === asked);
  if (node !== undefined) return node;
  const known = nodes.map(({ metadata }) => metadata.name).sort(compare);
  throw new MendError("object-not-found", `there is no node "${asked}"`, {
    hint: `pass one of ${known.slice(0, 10).join(", ")}${known.length > 10 ? ", ..." : ""} as ${input("node")}`,
  });
}

function whyNot(node: KubeObject): string | undefined {
  if (!isReady(node)) return "not Ready";
  if (objectOf(node.spec).unschedulable === true) return "cordoned";
  return node.metadata.deletionTimestamp === undefined ? undefined : "being deleted";
}

function noneUsable(controlPlaneNodes: readonly KubeObject[], count: number): MendError {
  const hint = `pass ${input("node")} with a node that has what the component needs: its image, its files, its network`;
  if (controlPlaneNodes.length === 0) {
    const text = `none of ${count} nodes is labelled as a master, and none runs an API server as a pod`;
    return new MendError("control-plane-not-found", text, { hint });
  }
  const reasons = controlPlaneNodes.map((node) => `"${node.metadata.name}" is ${whyNot(node)}`).join(", ");
  return new MendError("control-plane-not-found", `no master can run the rescue pod: ${reasons}`, { hint });
}

function matches(node: KubeObject, selector: JsonObject): boolean {
  return Object.entries(selector).every(([label, value]) => node.metadata.labels?.[label] === textOf(value));
}
