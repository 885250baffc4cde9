/** Unmounts what the kubelet has mounted for pods. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { MendError } from "../../errors/errors.ts";
import { type Mount, mountsBelow, parseMountTable } from "../../nodes/mount-table.ts";
import { recordChange } from "../audit/audit-trail.ts";

const run = promisify(execFile);

export function readMountTable(pid: number | "self" = "self"): Mount[] {
  return parseMountTable(readFileSync(`/proc/${pid}/mountinfo`, "utf8"));
}

/**
 * Unmounts everything strictly below a directory, deepest first, and returns how much that was. Throws `mount-busy` for
 * what is still in use: it is not detached while somebody may write to it.
 */
export async function unmountBelow(directory: string, signal?: AbortSignal): Promise<number> {
  const found = mountsBelow(readMountTable(), directory);
  for (const { point } of found) {
    signal?.throwIfAborted();
    try {
      await run("umount", [point]);
      recordChange({ action: "umount", target: point });
    } catch (error) {
      if (!readMountTable().some((mount) => mount.point === point)) continue; // gone with another
      const output = String((error as { stderr?: unknown }).stderr ?? "").trim();
      throw new MendError("mount-busy", `cannot unmount "${point}": ${output || (error as Error).message}`, {
        where: point,
        hint: `see who uses it with fuser -vm "${point}", end that, then run this again`,
        cause: error,
      });
    }
  }
  assertNothingMounted(directory);
  return found.length;
}

/** Throws `mount-busy` where something is mounted at a path or below: moving or removing it would reach into another file system. */
export function assertNothingMounted(path: string, alsoItself = false): void {
  const table = readMountTable();
  const found = mountsBelow(table, path)[0] ?? (alsoItself ? table.find(({ point }) => point === path) : undefined);
  if (found === undefined) return;
  throw new MendError("mount-busy", `"${found.point}" is mounted, and other file systems are not entered`, {
    where: found.point,
    hint: "unmount it, then run this again",
  });
}
