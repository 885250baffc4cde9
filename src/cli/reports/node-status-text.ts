/** `node status` as text: the nodes, then the pods of those that fail, then pods that are stuck elsewhere. */

import type { NodeState } from "../../kube/node-state.ts";
import { humanDuration, since } from "../../kubeapi/columns/age.ts";
import { delayText } from "../../nodes/termination-delay.ts";
import type { NodesStatus, PodPrediction } from "../../operations/node-status/node-status.ts";
import { alignedText } from "../terminal/aligned-text.ts";

export function nodeStatusText({ nodes, pods, at }: NodesStatus): string {
  const head = ["NAME", "STATUS", "SINCE", "LAST SIGN", "ROLES", "VERSION", "REMARKS"];
  let text = alignedText([head, ...nodes.map((node) => nodeRow(node, at))]);
  for (const node of nodes.filter(({ ready }) => ready !== "True")) {
    const own = pods.filter((pod) => pod.node === node.name).sort(byDue);
    if (own.length > 0) text += `\nPods of ${node.name}:\n${podsText(own, at)}`;
  }
  const ready = new Set(nodes.filter((node) => node.ready === "True").map(({ name }) => name));
  const stuck = pods.filter(({ node }) => ready.has(node));
  if (stuck.length > 0) text += `\nStuck on nodes that are ready:\n${podsText(stuck, at)}`;
  return text;
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
