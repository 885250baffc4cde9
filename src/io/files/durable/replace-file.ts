/** Replaces one file for good or not at all, and keeps what it was. */
import { lstatSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { invariant } from "../../../errors/errors.ts";
import { fromSystemError } from "../../../errors/system-error.ts";
import type { FileSystem } from "./file-system.ts";
import { openTarget, type Target } from "./target.ts";
import { type FileOwner, ownerOf, writeFile } from "./write-file.ts";

/**
 * Locked until it is disposed of. A link is followed: what it leads to is replaced. Throws `directory-untrusted` where
 * others could exchange it.
 */
export function openReplacement(path: string, command: string): Target {
  return openTarget(path, { command, kind: "file", followLinks: true, strict: true });
}

/**
 * The new one has the old one's owner and mode; the old one is kept beside it as `FILE.SUFFIX`, or `FILE.SUFFIX-2`
 * where that is there, which is returned. Where it fails, nothing is kept.
 */
export async function replaceFile(
  fs: FileSystem,
  target: Target,
  text: string,
  suffix: string,
  command: string,
): Promise<string> {
  const owner = ownerOf(target);
  invariant(owner !== undefined, "a file that is replaced is there");
  const kept = await keep(fs, target, owner, suffix, command);
  try {
    await writeFile(fs, target, command, (file) => file.write(Buffer.from(text), 0), { owner });
  } catch (error) {
    fs.remove(target.at(kept));
    throw error;
  }
  return join(target.parent.path, kept);
}

async function keep(
  fs: FileSystem,
  target: Target,
  owner: FileOwner,
  suffix: string,
  command: string,
): Promise<string> {
  const name = freeName(target, `${target.name}.${suffix}`);
  const bytes = read(target);
  using kept = openTarget(join(target.parent.path, name), { command, kind: "file", strict: true });
  await writeFile(fs, kept, command, (file) => file.write(bytes, 0), { owner });
  return name;
}

function freeName(target: Target, name: string): string {
  const isFree = (each: string): boolean => lstatSync(target.at(each), { throwIfNoEntry: false }) === undefined;
  if (isFree(name)) return name;
  for (let i = 2; ; i++) if (isFree(`${name}-${i}`)) return `${name}-${i}`;
}

function read(target: Target): Uint8Array {
  try {
    return readFileSync(target.at());
  } catch (error) {
    throw fromSystemError(error, "read", target.path);
  }
}
