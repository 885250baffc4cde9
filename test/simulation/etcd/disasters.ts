/** How a seed ends: everything is healed; or the quorum is lost for good and the cluster is recreated from what is left. */
import { cpSync, rmSync } from "node:fs";
import { replaceMember } from "./commands.ts";
import { readAll } from "./gateway.ts";
import type { World } from "./world.ts";

interface Salvaged {
  readonly isComplete: boolean;
  readonly findings: readonly { readonly code: string }[];
}

/** Disks of one or two members are lost; what the others have continues. */
export async function salvage(world: World): Promise<void> {
  const { chance, members } = world;
  const survivors = members.filter(() => chance.in100(50));
  if (survivors.length === 0) survivors.push(chance.of(members));
  for (const member of members) await member.kill();
  await world.stopWriting();
  for (const member of members) {
    if (member.faults.has("cut off")) member.plugIn();
    member.freeDisk();
    member.faults.clear();
  }
  const left = survivors.filter(({ hasData }) => hasData);
  const [first] = left;
  if (first === undefined) return;
  world.say(`the disks of all but ${left.map(({ name }) => name).join(", ")} are lost`);
  for (const member of members) if (!left.includes(member)) member.loseDisk();
  const out = world.newPath("salvaged");
  const { code, stdout, stderr } = await world.kubemend([
    ...["etcd", "salvage", ...left.map(({ dataDir }) => dataDir), "--data-dir", out, `--name=${first.name}`],
    ...[`--initial-advertise-peer-urls=${first.peerUrl}`, "-o", "json"],
  ]);
  if (stdout === "") return world.wrong(`etcd salvage makes nothing of ${left.length} sound members: ${stderr}`);
  const result = JSON.parse(stdout) as Salvaged;
  for (const member of members) {
    if (member.hasData) member.loseDisk();
    member.isPart = member === first;
  }
  carry(out, first.dataDir);
  first.start(world.etcd, [`--initial-cluster=${first.name}=${first.peerUrl}`]);
  if (!(await world.untilItServes())) return;
  const { revision, kvs } = await readAll(first.clientUrl);
  const found = new Map(kvs.map(({ key, value }) => [key, value]));
  const lost = world.ledger.compare(found, Number.MAX_SAFE_INTEGER);
  const isNamed = !result.isComplete || result.findings.some(({ code: each }) => each === "survivors-too-few");
  if (lost.length > 0 && !isNamed) {
    world.wrong(`etcd salvage (exit code ${code}) of ${left.length} members loses a write silently: ${lost[0]}`);
  }
  if (lost.length > 0) world.say(`${lost.length} acknowledged writes are lost, and the salvage said that they may be`);
  world.ledger.beginAgain(found, revision);
  await addTheOthers(world);
}

/** All disks are lost; the newest snapshot that was saved is restored for all three. */
export async function restoreAll(world: World): Promise<void> {
  const snapshot = world.saved.toSorted((a, b) => b.revision - a.revision)[0];
  if (snapshot === undefined) return;
  await rebuild(world, ["snapshot", "restore", snapshot.file], snapshot.revision);
}

/** The same from a moment of a backup repository. Its revision is known when it was restored. */
export async function rebuild(world: World, words: readonly string[], expected: number | undefined): Promise<void> {
  const { members } = world;
  await world.stopWriting();
  for (const member of members) {
    await member.kill();
    if (member.faults.has("cut off")) member.plugIn();
    member.loseDisk();
    member.faults.clear();
  }
  world.say("all disks are lost");
  const cluster = members.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(",");
  let revision = expected ?? 0;
  for (const member of members) {
    const { code, stdout, stderr } = await world.kubemend([
      ...[...words, "--data-dir", member.dataDir, `--name=${member.name}`, `--initial-cluster=${cluster}`],
      ...["--initial-cluster-token=again", `--initial-advertise-peer-urls=${member.peerUrl}`, "-o", "json"],
    ]);
    if (code !== 0) return world.wrong(`${words.slice(0, 2).join(" ")} fails: ${stderr}`);
    revision = (JSON.parse(stdout) as { revision: number }).revision;
    if (expected !== undefined && revision !== expected) world.wrong(`restored revision ${revision}, not ${expected}`);
    member.isPart = true;
    member.start(world.etcd, [`--initial-cluster=${cluster}`, "--initial-cluster-token=again"]);
  }
  if (!(await world.untilItServes())) return;
  const { revision: serves, kvs } = await readAll(members[0]?.clientUrl ?? "");
  if (serves !== revision) world.wrong(`restored revision ${revision}, and etcd serves ${serves}`);
  const found = new Map(kvs.map(({ key, value }) => [key, value]));
  for (const fault of world.ledger.compare(found, revision).slice(0, 3)) world.wrong(`restored cluster: ${fault}`);
  world.ledger.beginAgain(found, revision);
}

async function addTheOthers(world: World): Promise<void> {
  for (const member of world.members) {
    if (member.isPart) continue;
    if (!(await replaceMember(world, member))) world.wrong(`${member.name} cannot be added to the salvaged cluster`);
  }
}

/** Onto the disk of a member, with the modes that it was written with. */
function carry(from: string, to: string): void {
  rmSync(to, { recursive: true, force: true });
  cpSync(from, to, { recursive: true, preserveTimestamps: true });
  rmSync(from, { recursive: true });
}
