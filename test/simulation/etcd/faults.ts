/** What goes wrong, and how it ends. Each fault is of one member, and more than one member can have some. */
import type { Member, MemberFault } from "./member.ts";
import type { World } from "./world.ts";

interface Fault {
  readonly weight: number;
  readonly name: MemberFault;
  readonly begin: (member: Member) => void | Promise<void>;
  readonly end: (member: Member) => void | Promise<void>;
}

const FAULTS: readonly Fault[] = [
  { weight: 4, name: "killed", begin: (member) => member.kill(), end: (member) => member.startAgain() },
  { weight: 4, name: "cut off", begin: (member) => member.cutOff(), end: (member) => member.plugIn() },
  { weight: 3, name: "stopped", begin: (member) => member.stop(), end: (member) => member.goOn() },
  { weight: 3, name: "disk full", begin: (member) => member.fillDisk(), end: (member) => member.freeDisk() },
  { weight: 2, name: "disk slow", begin: (member) => member.slowDisk(), end: (member) => member.quickDisk() },
];

/** How often a fault may take the quorum away. */
const QUORUM_LOST_IN_100 = 25;

export async function beginFault(world: World): Promise<void> {
  const { chance } = world;
  const fault = chance.weighted(FAULTS.map((value) => ({ weight: value.weight, value })));
  const mayLoseQuorum = chance.in100(QUORUM_LOST_IN_100);
  const sound = world.members.filter(({ isPart, faults }) => isPart && faults.size === 0);
  const member = chance.of(world.members);
  if (!sound.includes(member) || (sound.length <= 2 && !mayLoseQuorum)) return;
  await fault.begin(member);
  world.counts.faults++;
  world.say(`${member.name}: ${fault.name}`);
}

export async function endFault(world: World, member: Member): Promise<void> {
  for (const fault of FAULTS) {
    if (!member.faults.has(fault.name)) continue;
    await fault.end(member);
    world.say(`${member.name}: no longer ${fault.name}`);
  }
  // A full disk ends an etcd by itself.
  if (member.isPart && !member.isRunning) {
    member.startAgain();
    world.say(`${member.name}: started again`);
  }
}

export async function endSomeFault(world: World): Promise<void> {
  const member = world.chance.of(world.members);
  if (member.faults.size > 0) await endFault(world, member);
}

export async function endAllFaults(world: World): Promise<void> {
  for (const member of world.members) await endFault(world, member);
}
