/** One seed from its beginning to its end. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Bed } from "../../../testbed/bed.ts";
import { findProgram, type Suite } from "../../programs.ts";
import { Chance } from "../chance.ts";
import { Backups } from "./backups.ts";
import { COMMANDS } from "./commands.ts";
import { rebuild, restoreAll, salvage } from "./disasters.ts";
import { beginFault, endAllFaults, endSomeFault } from "./faults.ts";
import type { Member } from "./member.ts";
import { World } from "./world.ts";

export interface SeedResult {
  readonly seed: number;
  readonly suite: Suite;
  readonly seconds: number;
  readonly faults: readonly string[];
  readonly story: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
  readonly ending: string;
}

const ENDINGS = [
  { weight: 4, value: "healed" },
  { weight: 3, value: "salvaged" },
  { weight: 2, value: "restored from a snapshot" },
  { weight: 2, value: "restored from a repository" },
] as const;

export async function runSeed(bed: Bed, members: readonly Member[], seed: number): Promise<SeedResult> {
  const began = Date.now();
  // Decided apart from the rest, so that a machine with fewer versions of etcd plays the same schedule.
  const suites = (["bookworm", "sid", "newer"] as const).filter((suite) => findProgram(suite, "etcd") !== undefined);
  const suite = new Chance(seed ^ 0x5eed).of(suites);
  const world = new World(bed, seed, suite, members);
  const { chance } = world;
  const ending = chance.weighted(ENDINGS.map((each) => ({ weight: each.weight, value: each.value })));
  const hasBackups = ending === "restored from a repository" || chance.in100(30);
  let backups: Backups | undefined;
  try {
    await world.begin();
    world.say(`etcd of ${suite} serves; it ends ${ending}`);
    if (hasBackups) backups = await Backups.begin(world);
    for (let steps = chance.between(6, 12); steps > 0; steps--) await takeStep(world, backups);
    await endAllFaults(world);
    if (await world.untilItServes()) await end(world, ending, backups);
  } catch (error) {
    world.wrong(`the simulation itself failed: ${(error as Error).stack ?? error}`);
  } finally {
    await world.stopWriting();
    await backups?.stop();
    await Promise.all(members.map((member) => member.reset()));
  }
  const { story, faults, counts } = world;
  return { seed, suite, seconds: (Date.now() - began) / 1000, story, faults, counts, ending };
}

async function takeStep(world: World, backups: Backups | undefined): Promise<void> {
  const { chance } = world;
  const step = chance.below(100);
  const pause = chance.between(20, 400);
  const command = chance.weighted(COMMANDS.map((value) => ({ weight: value.weight, value })));
  if (step < 30) await beginFault(world);
  else if (step < 40) await endSomeFault(world);
  else if (step < 45) await backups?.kill();
  else await command.run(world);
  await sleep(pause);
}

async function end(
  world: World,
  ending: (typeof ENDINGS)[number]["value"],
  backups: Backups | undefined,
): Promise<void> {
  await world.stopWriting();
  world.counts["acknowledged writes"] = world.ledger.size;
  await world.checkKeyspace("after all was healed");
  await backups?.check();
  const backedUp = await backups?.stop();
  if (ending === "healed") return world.checkServes();
  if (ending === "salvaged") {
    world.write();
    await sleep(300);
    await cutOffSome(world);
    await salvage(world);
  } else if (ending === "restored from a snapshot") {
    await restoreAll(world);
  } else if (backups !== undefined) {
    await rebuild(world, backups.words, backedUp);
  }
  if (world.faults.length > 0) return;
  await world.untilItServes();
  await world.checkServes();
  await world.checkKeyspace("in the end");
}

/** Before a disaster: a member falls behind, so that not every disk has everything. */
async function cutOffSome(world: World): Promise<void> {
  const member = world.chance.of(world.members);
  if (world.chance.in100(60)) member.cutOff();
  world.say(`${member.name}: ${[...member.faults].join(", ") || "keeps up"}`);
  await sleep(world.chance.between(200, 700));
}
