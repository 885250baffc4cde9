/** A directory of ours alone, for what lasts as long as a run. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromSystemError } from "../system-error.ts";
import { openTrustedDirectory } from "./trusted-directory.ts";

export interface TemporaryDirectory extends Disposable {
  readonly path: string;
}

/**
 * 0700. `prefix` begins its name. Disposing of it removes it with all that it holds. Throws `directory-untrusted` where
 * another user could exchange it.
 */
export function makeTemporaryDirectory(prefix: string, parent: string = tmpdir()): TemporaryDirectory {
  openTrustedDirectory(parent)[Symbol.dispose]();
  try {
    const path = mkdtempSync(join(parent, prefix));
    return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
  } catch (error) {
    throw fromSystemError(error, "make a temporary directory in", parent);
  }
}
