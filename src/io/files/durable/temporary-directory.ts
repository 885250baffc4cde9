/** A directory of ours alone, for what lasts as long as a run. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromSystemError } from "../../../errors/system-error.ts";
import { openTrustedDirectory } from "./trusted-directory.ts";

export interface TemporaryDirectory extends Disposable {
  readonly path: string;
}

const made = new Set<string>();
/** Those of this run that are there: what changes in them is nobody else's. */
export const temporaryDirectories: ReadonlySet<string> = made;

/**
 * 0700. `prefix` begins its name. Disposing of it removes it with all that it holds. Throws `directory-untrusted` where
 * another user could exchange it.
 */
export function makeTemporaryDirectory(prefix: string, parent: string = tmpdir()): TemporaryDirectory {
  openTrustedDirectory(parent)[Symbol.dispose]();
  try {
    const path = mkdtempSync(join(parent, prefix));
    made.add(path);
    return {
      path,
      [Symbol.dispose]() {
        rmSync(path, { recursive: true, force: true });
        made.delete(path);
      },
    };
  } catch (error) {
    throw fromSystemError(error, "make a temporary directory in", parent);
  }
}
