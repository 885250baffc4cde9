/**
 * The record that tells an asset dir of ours from anybody else's directory: `.kubemend-assets.json` in it, with every
 * file that was written and its SHA-256. What is not in the record, or no longer has its hash, is somebody's own work.
 */
import { createHash } from "node:crypto";
import { closeSync, constants, lstatSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";
import { join } from "node:path";
import { systemCode } from "../../errors/system-error.ts";
import { isOwnName } from "./durable/target.ts";

export const RECORD_NAME = ".kubemend-assets.json";

export interface AssetRecord {
  /** The command, such as `recover`. */
  readonly command: string;
  /** SHA-256 in hex, by path. */
  readonly files: Readonly<Record<string, string>>;
}

/** How a directory compares with its record. Paths are relative to it, sorted. */
export interface AssetDirState {
  readonly record: AssetRecord;
  /** Ours, with other content than was written. */
  readonly changed: readonly string[];
  /** Not ours. */
  readonly foreign: readonly string[];
}

export function encodeRecord(record: AssetRecord): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify({ madeBy: "kubemend", format: 1, ...record }, null, 2)}\n`);
}

/** Undefined when the text is no record of ours. */
function decodeRecord(text: string): AssetRecord | undefined {
  try {
    const { madeBy, format, command, files } = JSON.parse(text) as Record<string, unknown>;
    if (madeBy !== "kubemend" || format !== 1 || typeof command !== "string") return undefined;
    if (typeof files !== "object" || files === null || Array.isArray(files)) return undefined;
    if (!Object.values(files).every((hash) => typeof hash === "string")) return undefined;
    return { command, files: files as Record<string, string> };
  } catch {
    return undefined; // No JSON: not ours.
  }
}

/** Compares a directory with its record; undefined when it has none. Follows no symbolic links. Throws what the system says. */
export function readAssetDir(directory: string): AssetDirState | undefined {
  const place = join(directory, RECORD_NAME);
  if (kindOf(place) !== "file") return undefined;
  const record = decodeRecord(readFileSync(place, "utf8"));
  if (record === undefined) return undefined;
  const changed: string[] = [];
  const foreign: string[] = [];
  const walk = (folder: string): number => {
    let ours = 0;
    for (const name of readdirSync(join(directory, folder)).sort()) {
      const path = folder === "" ? name : `${folder}/${name}`;
      if (path === RECORD_NAME || (folder === "" && isOwnName(name))) continue;
      const kind = kindOf(join(directory, path));
      const hash = Object.hasOwn(record.files, path) ? record.files[path] : undefined;
      if (kind === "directory" && hash === undefined) {
        const before = foreign.length;
        const inside = walk(path);
        ours += inside;
        if (inside === 0 && foreign.length === before) foreign.push(`${path}/`);
      } else if (hash === undefined) foreign.push(path);
      else {
        ours += 1;
        if (kind !== "file" || hashFile(join(directory, path)) !== hash) changed.push(path);
      }
    }
    return ours;
  };
  walk("");
  return { record, changed: changed.sort(), foreign: foreign.sort() };
}

/** `missing` also where a part of the path is not there. Symbolic links are not followed. */
export function kindOf(path: string): "missing" | "directory" | "file" | "other" {
  try {
    const found = lstatSync(path);
    return found.isDirectory() ? "directory" : found.isFile() ? "file" : "other";
  } catch (error) {
    const code = systemCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return "missing";
    throw error;
  }
}

const CHUNK = 1 << 20;

/** SHA-256 in hex. */
export function hashFile(path: string): string {
  const hash = createHash("sha256");
  const buffer = new Uint8Array(CHUNK);
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    for (;;) {
      const size = readSync(descriptor, buffer, 0, CHUNK, null);
      if (size === 0) return hash.digest("hex");
      hash.update(buffer.subarray(0, size));
    }
  } finally {
    closeSync(descriptor);
  }
}
