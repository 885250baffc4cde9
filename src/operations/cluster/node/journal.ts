/** What an operation on several nodes keeps on each of them: how far it has come there, and what it needs to take everything back. */

import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type NodeJournal, nodeJournalSchema } from "../../../cluster/node-facts.ts";
import { MendError } from "../../../errors/errors.ts";
import { writeStaged } from "../../../io/agent/write-staged.ts";
import { type FileSystem, realFileSystem } from "../../../io/files/durable/file-system.ts";
import { names } from "../../../io/files/quiet-reads.ts";
import { readTextFile } from "../../../io/files/read-file.ts";
import { ownOwner } from "../../../io/node/own-identity.ts";

/** On every node, of root's alone: the snapshot that is restored is there for a while, and it holds every secret of the cluster. */
export const OPERATIONS = "/var/lib/kubemend/cluster";
const JOURNAL = "journal.json";

export function operationDirectory(id: string, root = OPERATIONS): string {
  if (!isName(id)) throw new MendError("usage", `"${id}" is no name of an operation`);
  return join(root, id);
}

function isName(id: string): boolean {
  return /^[a-z0-9-]{1,80}$/.test(id);
}

/**
 * Removes what runs have left that were cut off before they had a journal, such as a part of a snapshot: nothing was done
 * by then. For whoever holds the lock of the steps.
 */
export function removeUnbegun(root = OPERATIONS, fs: FileSystem = realFileSystem): void {
  for (const name of names(root).filter(isName)) {
    const directory = join(root, name);
    const isDirectory = lstatSync(directory, { throwIfNoEntry: false })?.isDirectory() === true;
    if (isDirectory && !names(directory).includes(JOURNAL)) fs.remove(directory);
  }
}

/** Removes what steps of an operation have not finished writing, which a run that was cut off leaves. */
export function removeDrafts(id: string, root = OPERATIONS, fs: FileSystem = realFileSystem): void {
  const directory = operationDirectory(id, root);
  for (const each of readdirSync(directory, { recursive: true, withFileTypes: true }))
    if (each.isFile() && /\.(?:draft|part)$/.test(each.name)) fs.remove(join(each.parentPath, each.name));
}

/** All operations that this node knows, by their names. One whose journal cannot be read is an error: nobody may pass it over. */
export function readJournals(root = OPERATIONS): NodeJournal[] {
  return names(root)
    .sort()
    .filter((name) => names(join(root, name)).includes(JOURNAL))
    .map((name) => readJournal(name, root));
}

/** Throws `not-found` where there is none, `config-invalid` where it is damaged. */
export function readJournal(id: string, root = OPERATIONS): NodeJournal {
  const path = join(operationDirectory(id, root), JOURNAL);
  const parsed = nodeJournalSchema.safeParse(parseJson(readTextFile(path)));
  if (parsed.success) return parsed.data;
  throw new MendError("config-invalid", `"${path}" is no journal of kubemend's`, {
    where: path,
    hint:
      "it is damaged, or of another version of kubemend: finish or take back its operation with the version that began " +
      "it; it says what was done on this node",
  });
}

/** Replaced whole: a crash leaves the one before or the new one. */
export async function writeJournal(
  journal: NodeJournal,
  root = OPERATIONS,
  fs: FileSystem = realFileSystem,
): Promise<NodeJournal> {
  const directory = operationDirectory(journal.id, root);
  fs.makeDirectory(directory, 0o700);
  const path = join(directory, JOURNAL);
  const bytes = new TextEncoder().encode(`${JSON.stringify(journal, undefined, 2)}\n`);
  const { uid, gid } = ownOwner();
  fs.remove(`${path}.draft`); // of a run that was killed here
  await writeStaged(fs, `${path}.draft`, { path, bytes, mode: 0o600, uid, gid });
  return journal;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
