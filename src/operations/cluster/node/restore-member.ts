/**
 * Restores this node's etcd member from the snapshot that was brought here, and finds what was there before again, wherever a restore has put it: by the inode of its
 * `member` directory, which no rename changes.
 */
import { lstatSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { NodeJournal } from "../../../cluster/node-facts.ts";
import type { PlannedMember, RestorePlan } from "../../../cluster/restore-plan.ts";
import { invariant } from "../../../errors/errors.ts";
import { contents } from "../../../io/etcd/data-dir-place.ts";
import { realFileSystem } from "../../../io/files/durable/file-system.ts";
import { isMountPoint } from "../../../io/files/durable/target.ts";
import { names } from "../../../io/node/local-node.ts";
import { restoreSnapshot } from "../../snapshot/restore.ts";
import { writeJournal } from "./journal.ts";

export async function restoreMember(
  journal: NodeJournal,
  plan: RestorePlan,
  member: PlannedMember,
  signal?: AbortSignal,
): Promise<NodeJournal> {
  invariant(journal.snapshot !== null, "the snapshot was received");
  const { dataDir } = member;
  const noted = await writeJournal({
    ...journal,
    dataDir: journal.dataDir ?? { path: dataDir, member: identityOf(join(dataDir, "member")), movedAside: null },
  });
  const result = await restoreSnapshot(journal.snapshot, {
    dataDir,
    replace: true,
    name: member.name,
    initialCluster: plan.initialCluster,
    initialClusterToken: plan.token,
    initialAdvertisePeerUrls: member.peerUrl,
    bumpRevision: plan.bumpRevision,
    // It was verified as a whole before it was carried here, and its SHA-256 on arrival.
    skipObjectCheck: true,
    ...(signal === undefined ? {} : { signal }),
  });
  const before = noted.dataDir;
  const movedAside = before === null ? null : (findMember(before) ?? null);
  return writeJournal({
    ...noted,
    state: "restored",
    revision: result.revision,
    dataDir: before === null ? null : { ...before, movedAside },
  });
}

/** The data that was there before comes back; what was restored stays beside it, under a name that ends in the operation's. */
export function bringDataBack({ id, dataDir }: NodeJournal): void {
  if (dataDir === null) return;
  const { path } = dataDir;
  const old = findMember(dataDir);
  if (old === path) return; // nothing was replaced, or it is back already
  const undone = `undone-${id}`;
  if (contents(path).length > 0) {
    if (isMountPoint(path)) moveContents(path, join(path, undone), undone);
    else realFileSystem.rename(path, `${path}.${undone}`);
  }
  if (old !== undefined && dirname(old) === path) moveContents(old, path, undone);
  else if (old !== undefined) realFileSystem.rename(old, path);
  realFileSystem.syncDirectory(dirname(path));
}

/** The directory that holds the `member` of before: the data directory, one beside it, or one in it. Undefined where there was none. */
function findMember({ path, member }: NonNullable<NodeJournal["dataDir"]>): string | undefined {
  if (member === null) return undefined;
  const beside = names(dirname(path)).filter((name) => name.startsWith(`${basename(path)}.`));
  const places = [
    path,
    ...beside.map((name) => join(dirname(path), name)),
    ...names(path).map((name) => join(path, name)),
  ];
  return places.find((place) => identityOf(join(place, "member")) === member);
}

/** Device and inode. */
function identityOf(path: string): string | null {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found === undefined ? null : `${found.dev}:${found.ino}`;
}

function moveContents(from: string, to: string, keep: string): void {
  realFileSystem.makeDirectory(to, 0o700);
  for (const name of contents(from)) if (name !== keep) realFileSystem.rename(join(from, name), join(to, name));
  realFileSystem.syncDirectory(to);
}
