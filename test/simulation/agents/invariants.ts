/** What must hold all the time, and what in the end. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Generation } from "../../../src/checkpoint/checkpoint.ts";
import { placesIn } from "../../../src/checkpoint/data-directory.ts";
import { readStoredCheckpoints } from "../../../src/io/agent/checkpoint-store.ts";
import { CHECKPOINT_ID } from "./cluster-state.ts";
import type { SimulatedNode } from "./node.ts";
import type { Simulation } from "./simulation.ts";
import { virtualNow } from "./virtual-time.ts";

const MINUTE = 60_000;
/**
 * How long a node that could run an API server may be without one, in the whole cluster: the agent's patience with a
 * parent that starts (1 minute), with one it gave way to (5.5), with a generation that does not run (3 each, of 3), and
 * the kubelet's pause between two attempts (5).
 */
const DOWN_AT_MOST_MS = 25 * MINUTE;
const LOOKS_EVERY_MS = 10_000;

export class Invariants {
  readonly #simulation: Simulation;
  /** Since when each node could run an API server. */
  readonly #couldSince = new Map<string, number>();
  #downSince: number | undefined;
  #lookedAt = 0;
  /** Nodes that have had a copy: it stays. */
  readonly #had = new Set<string>();
  #hasBegun = false;

  constructor(simulation: Simulation) {
    this.#simulation = simulation;
  }

  begin(): void {
    this.#hasBegun = true;
    for (const node of this.#simulation.cluster.nodes) {
      if (this.#copies(node).some(({ proven }) => proven)) continue;
      this.#simulation.wrong(`${node.name} has no proven copy after a quiet quarter of an hour`);
    }
  }

  /** The agent has said something: what it says that it has done is done. */
  heard(node: SimulatedNode, text: string, fields: Readonly<Record<string, string | number>>): void {
    const { counts } = this.#simulation;
    if (text === "runs from now on") {
      counts.activations++;
      const runs = node.manifests().some(({ metadata }) => metadata.name === fields.pod);
      if (!runs) this.#simulation.wrong(`${node.name}: "${fields.pod}" is said to run, and its manifest is not there`);
    }
    if (text === "copied") {
      counts.copies++;
      const copy = this.#copies(node).find(({ number }) => number === fields.generation);
      if (copy === undefined)
        this.#simulation.wrong(`${node.name}: generation ${fields.generation} is said to be copied, and is not there`);
      else this.#checkSecret(node, copy);
    }
    if (/state changed|runs from now on|copied/.test(text))
      this.#simulation.say(`${node.name}: ${text} ${JSON.stringify(fields)}`);
  }

  /** Once a virtual second. */
  look(): void {
    if (!this.#hasBegun) return;
    const now = virtualNow();
    if (now - this.#lookedAt < LOOKS_EVERY_MS) return;
    this.#lookedAt = now;
    const { cluster } = this.#simulation;
    for (const node of cluster.nodes) this.#lookAt(node, now);
    this.#downSince = cluster.serving().length > 0 ? undefined : (this.#downSince ?? now);
    if (this.#downSince === undefined) return;
    for (const node of cluster.nodes) {
      const since = Math.max(this.#couldSince.get(node.name) ?? Infinity, this.#downSince);
      if (now - since > DOWN_AT_MOST_MS) {
        this.#simulation.wrong(
          `no API server serves for ${Math.round((now - since) / MINUTE)} minutes, and ${node.name} could run one`,
        );
        return;
      }
    }
  }

  #lookAt(node: SimulatedNode, now: number): void {
    const { cluster, agents } = this.#simulation;
    const agent = agents[cluster.nodes.indexOf(node)];
    const can =
      cluster.hasQuorum(node) &&
      node.hasKubelet &&
      node.hasRuntime &&
      agent?.isRunning === true &&
      node.disk.flush < 1000;
    if (!can) this.#couldSince.delete(node.name);
    else if (!this.#couldSince.has(node.name)) this.#couldSince.set(node.name, now);
    if (now % MINUTE >= LOOKS_EVERY_MS) return;
    if (this.#copies(node).length > 0) this.#had.add(node.name);
    else if (this.#had.has(node.name))
      this.#simulation.wrong(`${node.name} has lost its copies, and the DaemonSet is there`);
  }

  #copies(node: SimulatedNode): readonly Generation[] {
    return readStoredCheckpoints(placesIn(node.directory)).generations.get(CHECKPOINT_ID) ?? [];
  }

  #checkSecret(node: SimulatedNode, { data }: Generation): number {
    const [place = ""] = data;
    const text = readFileSync(join(place, "ca.key"), "utf8");
    const version = Number(/^secret (\d+)$/.exec(text)?.[1]);
    if (!(version >= 1 && version <= this.#simulation.cluster.secretVersion)) {
      this.#simulation.wrong(`${node.name}: a copy has the secret "${text}"`);
    }
    return version;
  }

  /** Whether all is as it was before anything went wrong, and the newest of everything is in the copies. */
  isSettled(): boolean {
    return this.#unsettled().length === 0;
  }

  atTheEnd(): void {
    for (const line of this.#unsettled()) this.#simulation.wrong(`hours after all was healed: ${line}`);
  }

  #unsettled(): string[] {
    const { cluster, agents } = this.#simulation;
    const serving = cluster.serving();
    if (serving.length > 0 && cluster.template?.isSound === false) {
      cluster.template = { version: cluster.template.version + 1, isSound: true };
    }
    return cluster.nodes.flatMap((node, i) => {
      const lines: string[] = [];
      if (!serving.includes(node)) lines.push(`${node.name} serves no API`);
      if (cluster.podOf(node.name)?.isReady !== true) lines.push(`${node.name}: its pod is not ready`);
      if (readdirSync(join(node.directory, "manifests")).length > 0)
        lines.push(`${node.name}: its checkpoint still runs`);
      const state = agents[i]?.report()?.checkpoints.find(({ id }) => id === CHECKPOINT_ID)?.state;
      if (state !== "inactive") lines.push(`${node.name}: its checkpoint is ${state}`);
      const [newest] = this.#copies(node);
      if (newest === undefined) return [...lines, `${node.name} has no copy`];
      const secret = this.#checkSecret(node, newest);
      if (secret !== cluster.secretVersion)
        lines.push(`${node.name}: its copy has version ${secret} of the secret, not ${cluster.secretVersion}`);
      const image = `kube-apiserver:v${cluster.template?.version}`;
      if (!JSON.stringify(newest.manifest.spec).includes(image))
        lines.push(`${node.name}: its copy is not of ${image}`);
      if (!newest.proven) lines.push(`${node.name}: its copy is not proven`);
      return lines;
    });
  }
}
