/** Hours, or days, of three control-plane nodes with the real node agent, by a seed. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Chance } from "../chance.ts";
import type { Outcome } from "../outcome.ts";
import { SimulatedAgent } from "./agent.ts";
import { ClusterState } from "./cluster-state.ts";
import { EVENTS, healAll } from "./events.ts";
import { Invariants } from "./invariants.ts";
import { SimulatedNode } from "./node.ts";
import { beginVirtualTime, passUntil, virtualNow } from "./virtual-time.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const NODES = 3;
/** Nothing goes wrong at first: the agents make their copies. */
const QUIET_AT_FIRST_MS = 15 * MINUTE;
/** Longer than every pause between attempts together: kubelets' are up to 5 minutes, the agents' up to an hour. */
const HEALS_WITHIN_MS = 3 * HOUR;

/** Between two events: shorter and longer than whatever the agent is patient with. */
const PAUSES = [
  { weight: 3, value: 20 * SECOND },
  { weight: 4, value: 5 * MINUTE },
  { weight: 3, value: 30 * MINUTE },
  { weight: 1, value: 2 * HOUR },
];

export class Simulation {
  readonly seed: number;
  readonly chance: Chance;
  readonly cluster = new ClusterState();
  readonly agents: SimulatedAgent[] = [];
  readonly story: string[] = [];
  readonly faults: string[] = [];
  readonly counts = { hours: 0, faults: 0, activations: 0, copies: 0, changes: 0 };
  readonly invariants: Invariants;
  readonly #directory: string;

  constructor(seed: number) {
    this.seed = seed;
    this.chance = new Chance(seed);
    this.#directory = mkdtempSync(join(tmpdir(), "kubemend-days-"));
    for (let i = 0; i < NODES; i++) {
      const node = new SimulatedNode(this.cluster, i, join(this.#directory, `m${i + 1}`));
      this.cluster.nodes.push(node);
      const log = (_: string, text: string, fields: Readonly<Record<string, string | number>>): void =>
        this.invariants.heard(node, text, fields);
      this.agents.push(
        new SimulatedAgent(this.cluster, node, log, (error) => {
          this.wrong(`the agent of ${node.name} ended by itself: ${(error as Error).stack ?? error}`);
        }),
      );
    }
    this.invariants = new Invariants(this);
  }

  say(line: string): void {
    const seconds = Math.floor(virtualNow() / SECOND);
    const parts = [seconds / 3600, (seconds / 60) % 60, seconds % 60].map((n) =>
      String(Math.floor(n)).padStart(2, "0"),
    );
    this.story.push(`${parts.join(":")}  ${line}`);
  }

  wrong(line: string): void {
    this.say(`WRONG: ${line}`);
    this.faults.push(line);
  }

  async run(): Promise<void> {
    const { chance } = this;
    this.cluster.begin();
    for (const node of this.cluster.nodes) node.begin();
    await this.#pass(QUIET_AT_FIRST_MS);
    this.invariants.begin();
    const end = virtualNow() + (chance.in100(10) ? 2 * DAY : (3 + chance.below(5)) * HOUR);
    while (virtualNow() < end && this.faults.length === 0) {
      const event = chance.weighted(EVENTS.map((value) => ({ weight: value.weight, value })));
      const what = event.run(this);
      if (what !== undefined) {
        this.counts.faults++;
        this.say(what);
      }
      await this.#pass(chance.weighted(PAUSES) + chance.below(MINUTE));
    }
    healAll(this);
    this.say("everything is healed");
    for (let waited = 0; waited < HEALS_WITHIN_MS && !this.invariants.isSettled(); waited += MINUTE)
      await this.#pass(MINUTE);
    this.invariants.atTheEnd();
    this.counts.hours = Math.floor(virtualNow() / HOUR);
  }

  end(): void {
    for (const agent of this.agents) agent.kill();
    rmSync(this.#directory, { recursive: true });
  }

  async #pass(milliseconds: number): Promise<void> {
    const end = virtualNow() + milliseconds;
    while (virtualNow() < end) {
      await passUntil(Math.min(end, virtualNow() + SECOND));
      this.cluster.control();
      for (const node of this.cluster.nodes) node.tick();
      for (const agent of this.agents) agent.tick();
      this.invariants.look();
      if (this.faults.length > 0) return;
    }
  }
}

export async function runAgentSeed(seed: number): Promise<Outcome> {
  const began = process.hrtime.bigint();
  beginVirtualTime(seed);
  const simulation = new Simulation(seed);
  try {
    await simulation.run();
  } catch (error) {
    simulation.wrong(`the simulation itself failed: ${(error as Error).stack ?? error}`);
  } finally {
    simulation.end();
    await passUntil(virtualNow() + DAY);
  }
  const { story, faults, counts } = simulation;
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  return { seed, title: `${counts.hours} hours`, seconds, story, faults, counts };
}
