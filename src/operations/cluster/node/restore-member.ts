/**
 * Restores this node's etcd member from the snapshot that was brought here, and finds what was there before again,
 * wherever a restore has put it: by the inode of its `member` directory, which no rename changes.
 */
import { lstatSync, realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { NodeJournal } from "../../../cluster/node-facts.ts";
import type { PlannedMember, RestorePlan } from "../../../cluster/restore-plan.ts";
import { invariant, MendError } from "../../../errors/errors.ts";
import { contents } from "../../../io/etcd/data-dir-place.ts";
import { realFileSystem } from "../../../io/files/durable/file-system.ts";
import { isMountPoint } from "../../../io/files/durable/target.ts";
import { names } from "../../../io/files/quiet-reads.ts";
import { restoreSnapshot } from "../../snapshot/restore.ts";
import { OPERATIONS, writeJournal } from "./journal.ts";
import { giveToService } from "./service-member.ts";

export async function restoreMember(
  journal: NodeJournal,
  plan: RestorePlan,
  member: PlannedMember,
  signal?: AbortSignal,
): Promise<NodeJournal> {
  invariant(journal.snapshot !== null, "the snapshot was received");
  const { dataDir } = member;
  const bump = journal.bump ?? plan.bumpRevision;
  const noted = await noteData({ ...journal, bump }, dataDir);
  const result = await restoreSnapshot(journal.snapshot, {
    dataDir,
    replace: true,
    name: member.name,
    initialCluster: plan.initialCluster,
    initialClusterToken: plan.token,
    initialAdvertisePeerUrls: member.peerUrl,
    bumpRevision: bump,
    // It was verified as a whole before it was carried here, and its SHA-256 on arrival.
    skipObjectCheck: true,
    ...(signal === undefined ? {} : { signal }),
  });
  // What was staged for it is gone for good before the journal says that it is restored.
  const place = realpathSync(dataDir);
  for (const directory of [dirname(place), place]) realFileSystem.syncDirectory(directory);
  const before = noted.dataDir;
  await giveToService(noted);
  const movedAside = before === null ? null : (findMember(before) ?? null);
  return writeJournal({
    ...noted,
    state: "restored",
    revision: result.revision,
    dataDir: before === null ? null : { ...before, movedAside },
  });
}

/** Notes which data is there, before anything is done to it; what was noted before stays. */
export function noteData(journal: NodeJournal, path: string, operations = OPERATIONS): Promise<NodeJournal> {
  const dataDir = journal.dataDir ?? { path, member: identityOf(join(path, "member")), movedAside: null };
  return writeJournal({ ...journal, dataDir }, operations);
}

/** The directory whose `member` was there before the operation, wherever it is now; null where there was none. */
export function findData({ dataDir }: NodeJournal): string | null {
  return dataDir === null ? null : (findMember(dataDir) ?? null);
}

/**
 * Moves what is in the data directory beside it, under a name of the operation's, and returns where. It stays where it
 * is not what was there before.
 */
export function moveDataAside({ id, dataDir }: NodeJournal): string | null {
  if (dataDir === null || contents(dataDir.path).length === 0) return findData({ dataDir } as NodeJournal);
  const { path } = dataDir;
  const isOld = identityOf(join(path, "member")) === dataDir.member;
  const name = isOld ? `before-${id}` : `unused-${id}`;
  const aside = isMountPoint(path) ? join(path, name) : `${path}.${name}`;
  if (!isOld) realFileSystem.remove(aside);
  if (isMountPoint(path)) moveContents(path, aside, name);
  else realFileSystem.rename(path, aside);
  realFileSystem.syncDirectory(dirname(path));
  return isOld ? aside : findData({ dataDir } as NodeJournal);
}

/** Where data that comes from another machine is unpacked: beside the data directory, or in one that is a mount point. */
export function stagedPlaces(path: string, id: string): readonly [beside: string, inside: string] {
  return [`${path}.staged-${id}`, join(path, `staged-${id}`)];
}

/** The data that was there before comes back; what was restored stays beside it, under a name that ends in the operation's. */
export function bringDataBack({ id, dataDir }: NodeJournal): void {
  if (dataDir === null) return;
  const { path } = dataDir;
  for (const staged of stagedPlaces(path, id)) realFileSystem.remove(staged);
  const old = findMember(dataDir);
  if (old === path) return; // nothing was replaced, or it is back already
  if (old === undefined && dataDir.member !== null) {
    throw new MendError("not-found", `the data of before ${id} is neither at "${path}" nor beside it`, {
      where: path,
      hint:
        `find it${dataDir.movedAside === null ? "" : ` (it was moved to "${dataDir.movedAside}")`}, ` +
        `move it back to "${path}", and run this again`,
    });
  }
  const undone = `undone-${id}`;
  if (contents(path).length > 0) {
    if (isMountPoint(path)) moveContents(path, join(path, undone), undone);
    else realFileSystem.rename(path, `${path}.${undone}`);
  }
  if (old !== undefined && dirname(old) === path) {
    moveContents(old, path, undone);
    if (contents(old).length === 0) realFileSystem.remove(old);
  } else if (old !== undefined) realFileSystem.rename(old, path);
  realFileSystem.syncDirectory(dirname(path));
}

/** Where operations put data that they take out of a data directory: beside it, or in it where it is a mount point. */
export function placesBeside(path: string): string[] {
  const beside = names(dirname(path)).filter((name) => name.startsWith(`${basename(path)}.`));
  return [...beside.map((name) => join(dirname(path), name)), ...names(path).map((name) => join(path, name))];
}

/** The directory that holds the `member` of before: the data directory, one beside it, or one in it. Undefined where there was none. */
function findMember({ path, member }: NonNullable<NodeJournal["dataDir"]>): string | undefined {
  if (member === null) return undefined;
  const places = [path, ...placesBeside(path)];
  const exact = places.find((place) => identityOf(join(place, "member")) === member);
  if (exact !== undefined) return exact;
  // A reboot may number devices again, and btrfs does: the inode stays.
  const inode = (identity: string | null): string | undefined => identity?.split(":")[1];
  const alike = places.filter((place) => inode(identityOf(join(place, "member"))) === inode(member));
  return alike.length === 1 ? alike[0] : undefined;
}

/** Device and inode. */
export function identityOf(path: string): string | null {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found === undefined ? null : `${found.dev}:${found.ino}`;
}

export function moveContents(from: string, to: string, keep: string): void {
  realFileSystem.makeDirectory(to, 0o700);
  for (const name of contents(from)) if (name !== keep) realFileSystem.rename(join(from, name), join(to, name));
  realFileSystem.syncDirectory(to);
}
