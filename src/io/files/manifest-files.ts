/** Reads the files of manifests under a directory. */
import { readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { fromSystemError } from "../../errors/system-error.ts";
import { readTextFile } from "./read-file.ts";

export interface ManifestFile {
  /** Relative to the directory, with slashes. */
  readonly path: string;
  readonly text: string;
}

/** Every `.yaml`, `.yml` and `.json` file, at any depth, sorted by path. Hidden files and directories are passed over, as bootkube did. */
export function readManifestFiles(directory: string): ManifestFile[] {
  try {
    return readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory() && /\.(ya?ml|json)$/.test(entry.name))
      .map((entry) => relative(directory, join(entry.parentPath, entry.name)))
      .filter((path) => !path.split("/").some((part) => part.startsWith(".")))
      .sort()
      .map((path) => ({ path, text: readTextFile(join(directory, path)) }));
  } catch (error) {
    throw fromSystemError(error, "read", directory);
  }
}
