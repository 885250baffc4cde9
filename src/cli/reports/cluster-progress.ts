/**
 * How an operation on several nodes continues: a picture of all nodes on a terminal, lines with the seconds since the
 * beginning where there is none.
 */
import { NODE_STATES } from "../../cluster/node-facts.ts";
import type { ClusterEvent } from "../../operations/cluster/restore-cluster.ts";
import type { Host } from "../host.ts";
import { NodeChart } from "../terminal/node-chart.ts";

const STEP_TEXT: Readonly<Record<string, string>> = {
  receive: "carrying the backup",
  stop: "stopping the control plane",
  restore: "putting etcd's data in place",
  prepare: "putting missing files in place",
  gather: "gathering its data",
  join: "joining the cluster",
  promote: "promoting the learner",
  remove: "removing what is left of the lost node",
  "start-etcd": "starting etcd",
  "prove-etcd": "proving etcd",
  start: "starting the control plane",
  prove: "proving the control plane",
  finish: "finishing",
  undo: "taking back",
};

/** The steps that lead a node from the first state to the last. */
const STEPS = NODE_STATES.length - 1;

export interface ClusterPicture {
  readonly on: (event: ClusterEvent) => void;
  /** Before something else is written to the terminal. */
  readonly pause: () => void;
}

/** `steps`: how many lead a node to the end; 0 where nodes have different ones, and nothing is counted. */
export function showCluster(host: Host, isQuiet: boolean, steps = STEPS): ClusterPicture {
  if (isQuiet) return { on: () => {}, pause: () => {} };
  const began = host.now();
  const chart = new NodeChart(host, steps);
  const line = (text: string): void => {
    if (host.stderr.isTTY) return; // the picture has it
    void host.stderr.write(`${String(Math.round((host.now() - began) / 1000)).padStart(4)} s  ${text}\n`);
  };
  const done = new Map<string, number>();
  const on = (event: ClusterEvent): void => {
    if (event.kind === "surveying") {
      chart.print(`${"0".padStart(4)} s  surveying ${event.nodes.join(", ")}`);
      for (const node of event.nodes) done.set(node, 0);
      return;
    }
    chart.begin([...done.keys()]);
    const { node } = event;
    if (event.kind === "progress") {
      line(`${node}: ${event.text}`);
      chart.set(node, { text: event.text });
      return;
    }
    const text = STEP_TEXT[event.step] ?? event.step;
    if (event.state === "begun") {
      line(`${node}: ${text}`);
      chart.set(node, { mark: "working", text });
      return;
    }
    if (event.state === "failed") {
      chart.set(node, { mark: "failed", text });
      return;
    }
    const count = (done.get(node) ?? 0) + (event.step.startsWith("prove") ? 0 : 1);
    done.set(node, count);
    const isEnd = event.step === "finish" || (steps > 0 && count >= steps);
    chart.set(node, { done: count, mark: isEnd ? "done" : "waiting", text: isEnd ? "done" : `${text}: done` });
  };
  return { on, pause: () => chart.clear() };
}
