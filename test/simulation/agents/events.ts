/** What happens to the simulated nodes and their cluster. */
import type { SimulatedNode } from "./node.ts";
import type { Simulation } from "./simulation.ts";

interface Event {
  readonly weight: number;
  /** What happened; undefined where nothing did. */
  readonly run: (simulation: Simulation) => string | undefined;
}

const node = ({ cluster, chance }: Simulation): SimulatedNode => chance.of(cluster.nodes);

function loseThePower({ cluster, agents }: Simulation, each: SimulatedNode): void {
  each.isUp = false;
  each.loseMemory();
  agents[cluster.nodes.indexOf(each)]?.kill();
}

export const EVENTS: readonly Event[] = [
  {
    weight: 3,
    run(simulation) {
      const each = node(simulation);
      if (!each.isUp) return undefined;
      loseThePower(simulation, each);
      return `${each.name} loses its power`;
    },
  },
  {
    weight: 3,
    run(simulation) {
      for (const each of simulation.cluster.nodes) loseThePower(simulation, each);
      return "all nodes lose their power";
    },
  },
  {
    weight: 7,
    run(simulation) {
      const off = simulation.cluster.nodes.filter(({ isUp }) => !isUp);
      for (const each of off) each.isUp = true;
      return off.length === 0 ? undefined : `${off.map(({ name }) => name).join(", ")} boots`;
    },
  },
  { weight: 3, run: (simulation) => toggle(node(simulation), "isCut", "is cut off", "is plugged in") },
  { weight: 3, run: (simulation) => toggle(node(simulation), "hasEtcd", "has etcd again", "loses its etcd member") },
  {
    weight: 2,
    run: (simulation) => toggle(node(simulation), "hasRuntime", "has a runtime again", "has a runtime that hangs"),
  },
  {
    weight: 2,
    run(simulation) {
      const each = node(simulation);
      each.disk.isFull = !each.disk.isFull;
      return `${each.name}: the disk is ${each.disk.isFull ? "full" : "no longer full"}`;
    },
  },
  {
    weight: 2,
    run(simulation) {
      const each = node(simulation);
      each.disk.flush = simulation.chance.of([2, 500, 20_000]);
      return `${each.name}: a flush takes ${each.disk.flush} ms`;
    },
  },
  {
    weight: 2,
    run(simulation) {
      const each = node(simulation);
      each.clockOff = simulation.chance.of([0, 3_600_000, -3_600_000, 400 * 86_400_000, -9_000 * 86_400_000]);
      return `${each.name}: the clock is ${each.clockOff / 1000} s off`;
    },
  },
  {
    weight: 3,
    run(simulation) {
      const index = simulation.chance.below(simulation.agents.length);
      simulation.agents[index]?.kill();
      return `the agent of m${index + 1} is killed`;
    },
  },
  {
    weight: 3,
    run(simulation) {
      const each = node(simulation);
      const changes = simulation.chance.below(30);
      each.disk.dieAfter(changes);
      return `${each.name}: its agent is killed after ${changes} more changes on the disk`;
    },
  },
  {
    weight: 3,
    run(simulation) {
      const each = node(simulation);
      each.killContainer();
      return `${each.name}: an API server's process dies`;
    },
  },
  {
    weight: 2,
    run(simulation) {
      const each = node(simulation);
      each.restartKubelet();
      return `${each.name}: the kubelet is restarted`;
    },
  },
  {
    weight: 4,
    run({ cluster, counts }) {
      if (cluster.serving().length === 0) return undefined;
      cluster.secretVersion++;
      counts.changes++;
      return `the secret is rotated to version ${cluster.secretVersion}`;
    },
  },
  {
    weight: 2,
    run({ cluster, chance, counts }) {
      if (cluster.serving().length === 0 || cluster.template === undefined) return undefined;
      const template = { version: cluster.template.version + 1, isSound: chance.in100(60) };
      cluster.template = template;
      counts.changes++;
      return `version ${template.version} is rolled out${template.isSound ? "" : ", which does not run"}`;
    },
  },
  {
    weight: 2,
    run({ cluster, chance }) {
      const pods = [...cluster.pods.values()];
      if (cluster.serving().length === 0 || pods.length === 0) return undefined;
      const pod = chance.of(pods);
      cluster.remove(pod.uid);
      return `${pod.node}: its pod is deleted`;
    },
  },
];

function toggle(each: SimulatedNode, name: "isCut" | "hasEtcd" | "hasRuntime", on: string, off: string): string {
  each[name] = !each[name];
  return `${each.name} ${each[name] ? on : off}`;
}

/** All faults end, and whoever rolled out what does not run repairs it as soon as an API server answers. */
export function healAll({ cluster }: Simulation): void {
  for (const each of cluster.nodes) {
    each.isUp = true;
    each.isCut = false;
    each.hasEtcd = true;
    each.hasRuntime = true;
    each.disk.isFull = false;
    each.disk.flush = 2;
  }
}
