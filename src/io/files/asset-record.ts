/**
 * The record that tells an asset dir of ours from anybody else's directory: `.kubemend-assets.json` in it, with every file that was written and its
 * SHA-256. What is not in the record, or no longer has its hash, is somebody's own work.
 */
import { createHash } from "node:crypto";
import type { AssetDisk } from "./asset-disk.ts";

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
export function decodeRecord(text: string): AssetRecord | undefined {
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

/** Compares a directory with its record; undefined when it has none. Follows no symbolic links. */
export async function readAssetDir(directory: string, disk: AssetDisk): Promise<AssetDirState | undefined> {
  const place = `${directory}/${RECORD_NAME}`;
  if ((await disk.kindOf(place)) !== "file") return undefined;
  const record = decodeRecord(await readText(place, disk));
  if (record === undefined) return undefined;
  const changed: string[] = [];
  const foreign: string[] = [];
  const walk = async (folder: string): Promise<number> => {
    let ours = 0;
    for (const name of await disk.list(folder === "" ? directory : `${directory}/${folder}`)) {
      const path = folder === "" ? name : `${folder}/${name}`;
      if (path === RECORD_NAME) continue;
      const kind = await disk.kindOf(`${directory}/${path}`);
      const hash = Object.hasOwn(record.files, path) ? record.files[path] : undefined;
      if (kind === "directory" && hash === undefined) {
        const before = foreign.length;
        const inside = await walk(path);
        ours += inside;
        if (inside === 0 && foreign.length === before) foreign.push(`${path}/`);
      } else if (hash === undefined) foreign.push(path);
      else {
        ours += 1;
        if (kind !== "file" || (await hashFile(`${directory}/${path}`, disk)) !== hash) changed.push(path);
      }
    }
    return ours;
  };
  await walk("");
  return { record, changed: changed.sort(), foreign: foreign.sort() };
}

export async function hashFile(path: string, disk: AssetDisk): Promise<string> {
  const hash = createHash("sha256");
  for await (const part of disk.read(path)) hash.update(part);
  return hash.digest("hex");
}

async function readText(path: string, disk: AssetDisk): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of disk.read(path)) parts.push(Buffer.from(part));
  return Buffer.concat(parts).toString("utf8");
}
