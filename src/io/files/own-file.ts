/** Opens a file that only we may have written and only we may read: what we kept for ourselves. */
import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { fromSystemError, systemCode } from "../../errors/system-error.ts";
import { isOursAlone } from "./durable/ours-alone.ts";
import { openTrustedDirectory } from "./durable/trusted-directory.ts";
import { descriptorSource, type FileSource } from "./file-source.ts";

/**
 * Undefined where there is no such file, or it or its directory belongs to others or is open to them. Throws
 * `directory-untrusted` where others can exchange a part of its path.
 */
export function openOwnFile(directory: string, name: string): FileSource | undefined {
  using trusted = openTrustedDirectory(directory, { strict: true });
  const opened = openSync(trusted.anchor, constants.O_RDONLY | constants.O_DIRECTORY);
  const directoryStat = fstatSync(opened);
  closeSync(opened);
  if (!isOursAlone(directoryStat)) return undefined;
  const path = `${trusted.anchor}/${name}`;
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (systemCode(error) === "ENOENT" || systemCode(error) === "ELOOP") return undefined;
    throw fromSystemError(error, "open", `${trusted.path}/${name}`);
  }
  const stat = fstatSync(descriptor);
  if (stat.isFile() && isOursAlone(stat)) return descriptorSource(descriptor, `${trusted.path}/${name}`, stat.size);
  closeSync(descriptor);
  return undefined;
}
