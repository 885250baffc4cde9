/**
 * A directory of ours alone, for what lasts as long as a run. It may hold a whole cluster's secrets, so what runs that
 * were killed have left is removed by the next one: each holds the kernel's lock on a file in its directory while it
 * lives.
 */
import { closeSync, constants, fstatSync, lstatSync, mkdtempSync, openSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromSystemError, systemCode } from "../../../errors/system-error.ts";
import { names } from "../quiet-reads.ts";
import { tryLock } from "./flock.ts";
import { openTrustedDirectory } from "./trusted-directory.ts";

export interface TemporaryDirectory extends Disposable {
  readonly path: string;
}

const made = new Set<string>();
/** Those of this run that are there: what changes in them is nobody else's. */
export const temporaryDirectories: ReadonlySet<string> = made;

const LOCK = ".kubemend-lock";
/** What mkdtemp(3) puts behind a prefix. */
const RANDOM = /^[A-Za-z0-9]{6}$/;

/**
 * 0700. `prefix` begins its name. Disposing of it removes it with all that it holds. Throws `directory-untrusted` where
 * another user could exchange it.
 */
export function makeTemporaryDirectory(prefix: string, parent: string = tmpdir()): TemporaryDirectory {
  openTrustedDirectory(parent)[Symbol.dispose]();
  removeDead(prefix, parent);
  try {
    const path = mkdtempSync(join(parent, prefix));
    made.add(path);
    const lock = takeLock(path);
    return {
      path,
      [Symbol.dispose]() {
        rmSync(path, { recursive: true, force: true });
        if (lock !== undefined) closeSync(lock);
        made.delete(path);
      },
    };
  } catch (error) {
    throw fromSystemError(error, "make a temporary directory in", parent);
  }
}

/** It has its name once it is locked. Undefined where nothing can be locked: then nobody else removes the directory. */
function takeLock(path: string): number | undefined {
  const draft = join(path, `${LOCK}-draft`);
  const descriptor = openSync(draft, "wx", 0o600);
  if (tryLock(descriptor) === "ours") {
    renameSync(draft, join(path, LOCK));
    return descriptor;
  }
  closeSync(descriptor);
  rmSync(draft);
  return undefined;
}

function removeDead(prefix: string, parent: string): void {
  for (const name of names(parent)) {
    if (!name.startsWith(prefix) || !RANDOM.test(name.slice(prefix.length))) continue;
    const path = join(parent, name);
    try {
      const stat = lstatSync(path);
      if (!stat.isDirectory() || stat.uid !== process.geteuid?.() || (stat.mode & 0o7777) !== 0o700) continue;
      const lock = openSync(join(path, LOCK), constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      try {
        if (fstatSync(lock).uid === stat.uid && tryLock(lock) === "ours")
          rmSync(path, { recursive: true, force: true });
      } finally {
        closeSync(lock);
      }
    } catch (error) {
      // It went meanwhile, it has no lock, or it cannot be removed: none of these is in our way.
      if (systemCode(error) === undefined) throw error;
    }
  }
}
