/**
 * A data directory that was made elsewhere takes the place of this node's; or none does, and the member joins the
 * others with an empty one.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, lstatSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { manifestYaml } from "../../../bootstrap/manifest.ts";
import { parseManifest } from "../../../bootstrap/manifest-objects.ts";
import type { NodeJournal } from "../../../cluster/node-facts.ts";
import { invariant, MendError } from "../../../errors/errors.ts";
import { realFileSystem } from "../../../io/files/durable/file-system.ts";
import { isMountPoint } from "../../../io/files/durable/target.ts";
import { openOwnDirectory } from "../../../io/files/durable/trusted-directory.ts";
import { componentManifests } from "../../../io/node/local-components.ts";
import { isRoot } from "../../../io/node/own-identity.ts";
import { containerIndexOf } from "../../../kube/component.ts";
import { addFlag, changeFlag, flagValue } from "../../../kube/container-flags.ts";
import { objectOf, objectsOf } from "../../../kube/fields.ts";
import { OPERATIONS, writeJournal } from "./journal.ts";
import { findData, identityOf, moveContents, moveDataAside, noteData, stagedPlaces } from "./restore-member.ts";
import { writeManifest } from "./stop-components.ts";

/** Unpacks what comes as a tar archive of `member`, and puts it where the data directory was. */
export async function placeData(
  journal: NodeJournal,
  dataDir: string,
  input: AsyncIterable<Uint8Array>,
  operations = OPERATIONS,
): Promise<NodeJournal> {
  const noted = await noteData({ ...journal, leads: true }, dataDir, operations);
  const owner = statSync(findData(noted) ?? dirname(dataDir));
  const isMounted = existsSync(dataDir) && isMountPoint(dataDir);
  const [beside, inside] = stagedPlaces(dataDir, journal.id);
  const staging = isMounted ? inside : beside;
  realFileSystem.remove(staging);
  realFileSystem.makeDirectory(staging, 0o700);
  // The data directory is etcd's: its user could put a link in the place of what is unpacked there.
  using own = openOwnDirectory(staging);
  await unpack(own.anchor, input);
  const placed = identityOf(join(own.anchor, "member"));
  if (placed === null) {
    throw new MendError("io", "what arrived is no data directory: it has no member in it", {
      where: staging,
      hint: "run the same command again",
    });
  }
  if (findData(noted) !== null) setOwner(own.anchor, owner.uid, owner.gid);
  // tar flushes nothing: a power cut after the rename would leave empty files under the right names.
  await realFileSystem.syncTree(`${own.anchor}/.`);
  const movedAside = moveDataAside(noted);
  if (isMounted) {
    moveContents(staging, dataDir, basename(staging));
    realFileSystem.remove(staging);
  } else realFileSystem.rename(staging, dataDir);
  realFileSystem.syncDirectory(dirname(dataDir));
  invariant(identityOf(join(dataDir, "member")) === placed, `"${dataDir}" holds the data that was sent`);
  const placedJournal = { ...noted, dataDir: noted.dataDir && { ...noted.dataDir, movedAside } };
  return writeJournal({ ...placedJournal, state: "restored" }, operations);
}

/** The member begins with nothing and gets everything from the others: its old data goes aside, and its manifest says what it joins. */
export async function joinMember(
  journal: NodeJournal,
  { dataDir, initialCluster }: { readonly dataDir: string; readonly initialCluster: string },
): Promise<NodeJournal> {
  const { manifests } = journal;
  const etcd = componentManifests(manifests?.kept ?? "").find(({ name }) => name === "etcd");
  if (manifests === null || etcd === undefined) throw new MendError("not-found", "the manifest of etcd was not kept");
  // Cut off after the manifest was written: etcd may run with what is there.
  if (componentManifests(manifests.from).some(({ name }) => name === "etcd")) {
    return writeJournal({ ...journal, state: "etcd-started" });
  }
  const noted = await noteData(journal, dataDir);
  const movedAside = moveDataAside(noted);
  await writeManifest(join(manifests.from, basename(etcd.path)), withCluster(etcd.path, initialCluster));
  return writeJournal({
    ...noted,
    state: "etcd-started",
    dataDir: noted.dataDir && { ...noted.dataDir, movedAside },
  });
}

function withCluster(path: string, initialCluster: string): string {
  const [pod] = parseManifest(path, readFileSync(path, "utf8")).map(({ object }) => object);
  const spec = objectOf(pod?.spec);
  const at = containerIndexOf("etcd", spec);
  const containers = objectsOf(spec.containers).map((container, index) => {
    if (index !== at) return container;
    let result = container;
    for (const [name, value] of [
      ["initial-cluster", initialCluster],
      ["initial-cluster-state", "existing"],
    ] as const) {
      const isThere = flagValue(result, name) !== undefined;
      result = isThere ? changeFlag(result, name, () => value) : addFlag(result, name, value);
    }
    return result;
  });
  return manifestYaml({ ...pod, spec: { ...spec, containers } });
}

async function unpack(directory: string, input: AsyncIterable<Uint8Array>): Promise<void> {
  const tar = spawn("tar", ["--sparse", "-xf", "-"], { cwd: directory, stdio: ["pipe", "ignore", "pipe"] });
  let output = "";
  tar.stderr.on("data", (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-2000);
  });
  const ended = once(tar, "close") as Promise<[number | null]>;
  tar.stdin.on("error", () => {}); // its exit code says it
  const { stdin } = tar;
  for await (const chunk of input) {
    // It may end before the last byte, behind its end mark; the rest is read and dropped.
    if (!stdin.destroyed && !stdin.write(chunk)) await Promise.race([once(stdin, "drain").catch(() => {}), ended]);
  }
  tar.stdin.end();
  const [code] = await ended;
  if (code === 0) return;
  throw new MendError("io", `tar cannot unpack the data: ${output.trim() || `it ended with ${code}`}`, {
    where: directory,
    hint: "check the space on its disk, then run the same command again",
  });
}

/** The directory itself last: until then nobody else reaches what is in it. */
export function setOwner(directory: string, uid: number, gid: number): void {
  if (!isRoot()) return;
  const all = readdirSync(directory, { recursive: true }).map((name) => join(directory, String(name)));
  for (const path of all.reverse()) {
    const stat = lstatSync(path);
    if (!stat.isSymbolicLink()) realFileSystem.own(path, stat.mode & 0o7777, uid, gid);
  }
  realFileSystem.own(`${directory}/.`, statSync(directory).mode & 0o7777, uid, gid);
}
