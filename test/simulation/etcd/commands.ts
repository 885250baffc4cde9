/**
 * The commands that are run while things go wrong. Each knows how to prove what the command claims by something that is
 * not kubemend: etcd's JSON gateway, etcdutl, or an etcd that is started on what was written.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ask, readAll } from "./gateway.ts";
import type { Member } from "./member.ts";
import { restoreNode } from "./node-operation.ts";
import { checkRestored } from "./restored.ts";
import type { World } from "./world.ts";

const MAIN = join(import.meta.dirname, "../../../src/cli/main.ts");

export interface Command {
  readonly name: string;
  readonly weight: number;
  readonly run: (world: World) => Promise<void>;
}

const limits = ["--command-timeout=2s"];

async function saveSnapshot(world: World): Promise<void> {
  const file = world.newPath("snapshot.db");
  const shift = world.chance.of([0, 0, 3_600_000, -86_400_000]);
  const argv = ["snapshot", "save", file, "--endpoints", world.endpoints, "-o", "json", ...limits];
  const { code, stdout } = await world.kubemend(argv, shift);
  if (code !== 0) {
    if (existsSync(file)) world.wrong(`snapshot save fails and leaves "${basename(file)}"`);
    return;
  }
  const { revision } = JSON.parse(stdout) as { revision: number };
  checkSnapshot(world, file, revision);
  world.saved.push({ file, revision });
}

function checkSnapshot(world: World, file: string, revision: number): void {
  try {
    const status = world.snapshotStatus(file);
    // Of a keyspace to which nothing was ever written etcdutl says 0, and etcd 1.
    if (Math.max(1, status.revision) !== revision) {
      world.wrong(`snapshot save says revision ${revision}, etcdutl says ${status.revision}`);
    }
  } catch (error) {
    world.wrong(`snapshot save says done, and etcdutl refuses the file: ${(error as Error).message}`);
  }
}

/** A command that is killed at some moment leaves a whole result or none, and works when it is run again. */
async function killSave(world: World): Promise<void> {
  const file = world.newPath("killed.db");
  await killed(world, ["snapshot", "save", file, "--endpoints", world.endpoints, ...limits]);
  if (existsSync(file)) checkSnapshot(world, file, world.snapshotStatus(file).revision);
  const { code } = await world.kubemend(["snapshot", "save", file, "--endpoints", world.endpoints, ...limits]);
  if (code === 0) {
    const revision = world.snapshotStatus(file).revision;
    world.saved.push({ file, revision });
    checkLeftovers(world, file);
  }
}

async function killRestore(world: World): Promise<void> {
  const snapshot = world.saved.at(-1);
  if (snapshot === undefined) return;
  const dataDir = world.newPath("killed-restore");
  const argv = ["snapshot", "restore", snapshot.file, "--data-dir", dataDir, "--name=default"];
  await killed(world, argv);
  const isDone = existsSync(join(dataDir, "member"));
  const { code, stderr } = await world.kubemend(argv);
  if ((code === 0) === isDone) {
    world.wrong(
      `a restore after one that was killed ends with ${code}, the data dir ${isDone ? "was" : "was not"} there: ${stderr}`,
    );
  }
  if (code === 0) checkLeftovers(world, dataDir);
  await checkRestored(world, dataDir, "default", snapshot.revision);
}

async function killed(world: World, argv: readonly string[]): Promise<void> {
  world.counts["commands killed"]++;
  const after = world.chance.between(250, 900);
  const child = spawn(process.execPath, [MAIN, ...argv], { cwd: world.directory, stdio: "ignore" });
  const exited = once(child, "exit");
  await Promise.race([exited, sleep(after)]);
  child.kill("SIGKILL");
  await exited;
  world.say(`kubemend ${argv.slice(0, 2).join(" ")}: killed after ${after} ms`);
}

function checkLeftovers(world: World, path: string): void {
  const left = readdirSync(dirname(path)).filter((name) => name.includes(basename(path)) && name !== basename(path));
  if (left.length > 0) world.wrong(`left behind beside "${basename(path)}": ${left.join(", ")}`);
}

async function restoreSnapshot(world: World): Promise<void> {
  const [snapshot] = world.saved.length === 0 ? [] : [world.chance.of(world.saved)];
  if (snapshot === undefined) return;
  const dataDir = world.newPath("restored");
  const { code, stdout, stderr } = await world.kubemend([
    ...["snapshot", "restore", snapshot.file, "--data-dir", dataDir, "--name=default", "-o", "json"],
  ]);
  if (code !== 0) return world.wrong(`snapshot restore refuses a snapshot that was saved: ${stderr}`);
  const { revision } = JSON.parse(stdout) as { revision: number };
  if (revision !== snapshot.revision)
    world.wrong(`restored revision ${revision} of a snapshot of ${snapshot.revision}`);
  await checkRestored(world, dataDir, "default", revision);
}

async function health(world: World): Promise<void> {
  const before = new Set(troubled(world));
  const { code, stdout } = await world.kubemend([
    "etcd",
    "health",
    "--endpoints",
    world.endpoints,
    "-o",
    "json",
    ...limits,
  ]);
  const during = troubled(world).filter((name) => before.has(name));
  if (code === 0 && during.length > 0) world.wrong(`etcd health says healthy, and ${during.join(", ")} cannot answer`);
  if (stdout === "") return;
  const { members } = JSON.parse(stdout) as { members: { name: string; status: object | null }[] };
  for (const { name, status } of members) {
    if (status !== null && during.includes(name)) world.wrong(`etcd health has an answer of ${name}, which gives none`);
  }
}

const troubled = (world: World): string[] =>
  world.members
    .filter(({ isRunning, faults }) => !isRunning || faults.has("cut off") || faults.has("stopped"))
    .map(({ name }) => name);

async function compact(world: World): Promise<void> {
  const revision = Math.max(1, world.ledger.lastRevision - world.chance.between(5, 200));
  const argv = ["etcd", "compact", String(revision), "--endpoints", world.endpoints, "-o", "json", ...limits];
  const { code } = await world.kubemend(argv);
  if (code !== 0 || revision < 3) return;
  for (const { clientUrl } of world.sound) {
    const isThere = await readAll(clientUrl, revision - 1).then(
      () => true,
      (error: Error) => (/compacted/.test(error.message) ? false : undefined),
    );
    if (isThere === true) world.wrong(`etcd compact ${revision} says done, and revision ${revision - 1} can be read`);
  }
}

async function defrag(world: World): Promise<void> {
  const argv = ["etcd", "defrag", "--cluster", "--endpoints", world.endpoints, "-o", "json", "--timeout=5s", ...limits];
  const before = troubled(world);
  const { code, stdout } = await world.kubemend(argv);
  if (code !== 0) return;
  const { members } = JSON.parse(stdout) as { members: { name?: string; endpoint?: string }[] };
  const still = troubled(world).filter((name) => before.includes(name));
  if (still.length > 0) world.wrong(`etcd defrag --cluster says done, and ${still.join(", ")} cannot answer`);
  if (members.length < world.members.filter(({ isPart }) => isPart).length) {
    world.wrong(`etcd defrag --cluster says done for ${members.length} members only`);
  }
}

async function moveLeader(world: World): Promise<void> {
  const target = world.chance.of(world.members);
  const { code } = await world.kubemend([
    "etcd",
    "move-leader",
    target.name,
    "--endpoints",
    world.endpoints,
    ...limits,
  ]);
  // An election a moment later makes another one leader, and nobody lied: what is left is that it can have been so.
  if (code === 0 && (!target.isRunning || target.faults.has("cut off") || target.faults.has("stopped"))) {
    world.wrong(`etcd move-leader says that ${target.name} leads, which cannot answer`);
  }
}

async function alarms(world: World): Promise<void> {
  await world.kubemend(["etcd", "alarm", "list", "--endpoints", world.endpoints, ...limits]);
}

/** The asked member answers with what it has applied, which may be a moment behind the one that changed. */
async function isSeen(holds: () => Promise<boolean>): Promise<boolean> {
  for (let attempt = 0; attempt < 30; attempt++) {
    if (await holds()) return true;
    await sleep(100);
  }
  return false;
}

/** A disk is lost: the member is removed, added again and started, as the runbook has it. */
export async function replaceMember(world: World, member: Member): Promise<boolean> {
  const argv = (...words: string[]): string[] => [
    "etcd",
    "member",
    ...words,
    "--endpoints",
    world.endpoints,
    ...limits,
  ];
  const others = world.members.filter(({ isPart, name }) => isPart && name !== member.name);
  const names = async (): Promise<string[]> => {
    const { members = [] } = await ask(others[0]?.clientUrl ?? "", "cluster/member/list", {});
    return members.map(({ name = "", peerURLs = [] }) => name || `new at ${peerURLs.join()}`);
  };
  if ((await names()).includes(member.name)) {
    const removed = await world.kubemend(argv("remove", member.name));
    if (removed.code !== 0) return false;
    if (!(await isSeen(async () => !(await names()).includes(member.name))))
      world.wrong(`member remove says done, and ${member.name} is still there`);
  }
  const added = await world.kubemend([...argv("add", member.name, `--peer-urls=${member.peerUrl}`), "-o", "json"]);
  if (added.code !== 0) return false;
  if (!(await isSeen(async () => (await names()).includes(`new at ${member.peerUrl}`))))
    world.wrong("member add says done, and nobody was added");
  const { environment } = JSON.parse(added.stdout) as { environment: Record<string, string> };
  member.start(world.etcd, [
    `--initial-cluster=${environment.ETCD_INITIAL_CLUSTER}`,
    `--initial-cluster-state=${environment.ETCD_INITIAL_CLUSTER_STATE}`,
  ]);
  member.isPart = true;
  for (let attempt = 0; attempt < 60; attempt++) {
    const { code } = await world.kubemend([...argv("promote", member.name), "--wait", "10s"]);
    if (code === 0) {
      const isVoter = async (): Promise<boolean> => {
        const { members = [] } = await ask(others[0]?.clientUrl ?? "", "cluster/member/list", {});
        return members.some(({ name, isLearner }) => name === member.name && isLearner !== true);
      };
      if (!(await isSeen(isVoter))) {
        world.wrong(`member promote says done, and ${member.name} is a learner`);
      }
      return true;
    }
    await sleep(250);
  }
  world.wrong(`${member.name} cannot be promoted`);
  return false;
}

async function loseDisk(world: World): Promise<void> {
  if (world.sound.length < 3) return;
  const member = world.chance.of(world.members);
  await member.kill();
  member.loseDisk();
  member.faults.clear();
  world.counts.faults++;
  world.say(`${member.name}: its disk is lost`);
  for (let attempt = 0; attempt < 40; attempt++) {
    if (await replaceMember(world, member)) return;
    await sleep(250); // an election is going on: it is run again, as an operator does
  }
  world.wrong(`${member.name} cannot be replaced`);
}

export const COMMANDS: readonly Command[] = [
  { name: "snapshot save", weight: 5, run: saveSnapshot },
  { name: "snapshot save, killed", weight: 2, run: killSave },
  { name: "snapshot restore", weight: 2, run: restoreSnapshot },
  { name: "snapshot restore, killed", weight: 2, run: killRestore },
  { name: "steps of a cluster's restore on a node, killed, and its undo", weight: 1, run: restoreNode },
  { name: "etcd health", weight: 5, run: health },
  { name: "etcd compact", weight: 2, run: compact },
  { name: "etcd defrag", weight: 2, run: defrag },
  { name: "etcd move-leader", weight: 2, run: moveLeader },
  { name: "etcd alarm list", weight: 1, run: alarms },
  { name: "etcd member remove, add, promote", weight: 2, run: loseDisk },
];
