/** Files that are written once: under their name only when they are whole and on the disk, and never over another. */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { link, lstat, open, readdir, rm, rmdir, unlink } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { fromSystemError, systemCode } from "../../../errors/system-error.ts";
import { realFileSystem } from "./file-system.ts";
import { openTrustedDirectory, type TrustedDirectory } from "./trusted-directory.ts";

/** What a process that was killed may leave: names that no listing shows. */
export const STAGED = ".kubemend-staged-";

/** The directory, or the nearest one above it that is there. Throws where a link of another user's leads there. */
function openWay(directory: string): TrustedDirectory {
  let at = resolve(directory);
  while (!existsSync(at) && dirname(at) !== at) at = dirname(at);
  return openTrustedDirectory(at, { anyOwner: true });
}

/** Returns false where a file of that name is there already. Throws a `MendError`. */
export async function writeOnce(path: string, content: AsyncIterable<Uint8Array> | Uint8Array): Promise<boolean> {
  const directory = dirname(path);
  const missing = missingFrom(directory);
  try {
    openWay(directory)[Symbol.dispose]();
    realFileSystem.makeDirectory(directory, 0o700);
    using place = openWay(directory);
    await removeAbandoned(place);
    const staged = join(place.anchor, `${STAGED}${basename(path)}-${randomBytes(6).toString("hex")}`);
    try {
      const file = await open(staged, "wx", 0o600);
      try {
        const pieces = content instanceof Uint8Array ? [content] : content;
        for await (const piece of pieces) await file.writeFile(piece);
        await file.sync();
      } finally {
        await file.close();
      }
      await link(staged, join(place.anchor, basename(path)));
    } finally {
      await rm(staged, { force: true });
    }
    await syncDirectory(place.anchor);
    return true;
  } catch (error) {
    if (systemCode(error) === "EEXIST") return false;
    await removeEmpty(missing);
    throw fromSystemError(error, "write", path);
  }
}

/** Whoever has written nothing for so long is dead: else it finds its file gone when it names it, and fails with that. */
export const ABANDONED_MS = 86_400_000;
const swept = new Set<string>();

/** What runs that were killed have left: once a run and directory, because a repository's may hold many names. */
async function removeAbandoned({ anchor, path }: TrustedDirectory): Promise<void> {
  if (swept.has(path)) return;
  swept.add(path);
  // What cannot be seen or removed is not in the way.
  for (const name of await readdir(anchor).catch((): string[] => [])) {
    if (!name.startsWith(STAGED)) continue;
    const staged = join(anchor, name);
    const stat = await lstat(staged).catch(() => undefined);
    if (stat?.isFile() !== true || stat.uid !== process.geteuid?.()) continue;
    if (Date.now() - stat.mtimeMs > ABANDONED_MS) await rm(staged, { force: true }).catch(() => {});
  }
}

/** The directory and those above it that are not there, the deepest first. */
export function missingFrom(directory: string): string[] {
  const missing: string[] = [];
  for (let at = resolve(directory); !existsSync(at) && dirname(at) !== at; at = dirname(at)) missing.push(at);
  return missing;
}

/** What was made for a file that could not be written; a directory stays in which something is by now. */
export async function removeEmpty(directories: readonly string[]): Promise<void> {
  for (const directory of directories) {
    try {
      await rmdir(directory);
    } catch {
      return; // what is wrong with the disk is reported for the file
    }
  }
}

export async function removeFile(path: string): Promise<void> {
  try {
    using place = openWay(dirname(path));
    await unlink(join(place.anchor, basename(path)));
    await syncDirectory(place.anchor);
  } catch (error) {
    if (systemCode(error) === "ENOENT" || systemCode(error) === "ENOTDIR") return;
    throw fromSystemError(error, "remove", path);
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
