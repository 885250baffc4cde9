/** Replaces one file for good or not at all, and keeps what it was. */
import {
  chownSync,
  closeSync,
  copyFileSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  statSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { fromSystemError } from "./system-error.ts";

/**
 * Staged beside it, fsynced and renamed, with the old one's owner and mode; the old one is kept as `FILE.SUFFIX`, which is returned. A link is followed: what it leads
 * to is replaced.
 */
export function replaceFile(path: string, text: string, suffix: string): string {
  try {
    const file = realpathSync(path);
    const { mode, uid, gid } = statSync(file);
    const kept = `${file}.${suffix}`;
    const draft = join(dirname(file), `.${basename(file)}.draft`);
    const out = openSync(draft, "w", mode & 0o777);
    try {
      writeSync(out, text);
      fsyncSync(out);
    } finally {
      closeSync(out);
    }
    if (process.getuid?.() === 0) chownSync(draft, uid, gid);
    copyFileSync(file, kept);
    renameSync(draft, file);
    return kept;
  } catch (error) {
    throw fromSystemError(error, "replace", path);
  }
}
