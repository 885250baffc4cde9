/** `node status` as text: the nodes, then the pods of those that fail, then pods that are stuck elsewhere. */

import type { NodeState } from "../../kube/node-state.ts";
import { humanDuration, since } from "../../kubeapi/columns/age.ts";
import { delayText } from "../../nodes/termination-delay.ts";
import type { NodesStatus, PodPrediction } from "../../operations/node-status/node-status.ts";
import { alignedText } from "../terminal/aligned-text.ts";

/** Of more nodes than this, those that are as they should be are counted, unless somebody named them. */
const MOST_NODES = 100;
/** Of more failed nodes than this, pods are counted. */
const MOST_FAILED = 10;

export interface NodeStatusTextOptions {
  /** Every node and each pod, however many there are. */
  readonly all: boolean;
}

export function nodeStatusText({ nodes, pods, at }: NodesStatus, { all }: NodeStatusTextOptions): string {
  const isShort = !all && nodes.length > MOST_NODES;
  const shown = isShort ? nodes.filter((node) => !isQuiet(node)) : nodes;
  const head = ["NAME", "STATUS", "SINCE", "LAST SIGN", "ROLES", "VERSION", "REMARKS"];
  let text = shown.length === 0 ? "" : alignedText([head, ...shown.map((node) => nodeRow(node, at))]);
  if (shown.length < nodes.length) {
    const count = nodes.length - shown.length;
    text += `${shown.length === 0 ? `${count} nodes are` : `\n${count} more node${count === 1 ? " is" : "s are"}`} ready\n`;
  }
  const failed = nodes.filter(({ ready }) => ready !== "True");
  const podsByNode = Map.groupBy(pods, ({ node }) => node);
  if (!all && failed.length > MOST_FAILED) text += podCounts(failed, podsByNode, at);
  else {
    for (const { name } of failed) {
      const own = (podsByNode.get(name) ?? []).toSorted(byDue);
      if (own.length > 0) text += `\nPods of ${name}:\n${podsText(own, at)}`;
    }
  }
  const ready = new Set(nodes.filter((node) => node.ready === "True").map(({ name }) => name));
  const stuck = pods.filter(({ node }) => ready.has(node));
  if (stuck.length > 0) text += `\nStuck on nodes that are ready:\n${podsText(stuck, at)}`;
  return text;
}

/** Ready, open to new pods, and without a remark. */
function isQuiet({ ready, cordoned, why, pressures }: NodeState): boolean {
  return ready === "True" && !cordoned && why === "" && pressures.length === 0;
}

/** A row for each failed node that has pods: how many, and when the first of them is evicted. */
function podCounts(
  failed: readonly NodeState[],
  podsByNode: ReadonlyMap<string, readonly PodPrediction[]>,
  at: number,
): string {
  const rows = failed.flatMap(({ name }) => {
    const own = (podsByNode.get(name) ?? []).toSorted(byDue);
    const next = own.find(({ delay }) => delay === undefined);
    const ending = own.filter(({ delay }) => delay !== undefined).length;
    const never = own.filter(({ due }) => due?.when === "never").length;
    if (own.length === 0) return [];
    return [[name, ...[own.length, ending, never].map(String), next === undefined ? "-" : dueText(next, at)]];
  });
  if (rows.length === 0) return "";
  const head = ["NODE", "PODS", "TERMINATING", "NEVER EVICTED", "NEXT EVICTED"];
  return `\nPods of nodes that are not ready (of one of them: kubemend node status NODE):\n${alignedText([head, ...rows])}`;
}

function nodeRow(node: NodeState, at: number): string[] {
  const status = (node.ready === "True" ? "Ready" : "NotReady") + (node.cordoned ? ",SchedulingDisabled" : "");
  const remarks = [node.why, ...node.pressures].filter((remark) => remark !== "").join("; ");
  const roles = node.roles.length === 0 ? "<none>" : node.roles.join(",");
  const lastSign = node.lastSign === "" ? "<none>" : `${since(node.lastSign, at)} ago`;
  return [node.name, status, since(node.since, at), lastSign, roles, node.version, remarks];
}

function podsText(pods: readonly PodPrediction[], at: number): string {
  const head = ["POD", "STATE", "EVICTED", "WHY"];
  const rows = pods.map((pod) => [pod.pod, pod.state, dueText(pod, at), whyText(pod, at)]);
  return alignedText([head, ...rows]);
}

function dueText({ due, delay }: PodPrediction, at: number): string {
  if (delay !== undefined) return "already";
  if (due === undefined) return "-";
  if (due.when !== "at") return due.when === "never" ? "never" : "not yet due";
  return due.time <= at ? "now" : `in ${humanDuration(due.time - at)}`;
}

function whyText({ due, delay }: PodPrediction, at: number): string {
  return delay !== undefined ? delayText(delay, at) : (due?.because ?? "");
}

/** Those that go first come first. */
function byDue(a: PodPrediction, b: PodPrediction): number {
  const rank = ({ due, delay }: PodPrediction) =>
    delay !== undefined ? 0 : due?.when === "at" ? due.time : Number.MAX_VALUE;
  return rank(a) - rank(b) || (a.pod < b.pod ? -1 : 1);
}
