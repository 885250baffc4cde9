/**
 * Where the files of a checkpoint's volumes are: `checkpoint-secrets/NAMESPACE/POD/NAME/HASH`, by bootkube's layout as
 * far as NAME. The hash is of the content, so what a running or an earlier checkpoint mounts is never changed beneath
 * it, two generations with the same secrets share them, and damage shows.
 */
import { createHash } from "node:crypto";
import type { DataDirectory, DataFile } from "./checkpoint.ts";

export interface Places {
  /** `/etc/kubernetes/manifests`. */
  readonly active: string;
  /** `/etc/kubernetes/inactive-manifests`. */
  readonly inactive: string;
  /** `/etc/kubernetes/checkpoint-secrets`. */
  readonly secrets: string;
  /** `/etc/kubernetes/checkpoint-configmaps`. */
  readonly configMaps: string;
}

/** As bootkube has them. */
export function placesIn(directory: string): Places {
  return {
    active: `${directory}/manifests`,
    inactive: `${directory}/inactive-manifests`,
    secrets: `${directory}/checkpoint-secrets`,
    configMaps: `${directory}/checkpoint-configmaps`,
  };
}

/** `parent` is the directory down to NAME. */
export function dataDirectory(parent: string, parts: Omit<DataDirectory, "path">): DataDirectory {
  const files = parts.files.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  return { ...parts, files, path: `${parent}/${hashOf({ ...parts, files })}` };
}

/** The name that a directory of such files has. Files of which {@link DataFile.volatile} is true count with their path alone. */
export function hashOf({ mode, uid, gid, files }: Pick<DataDirectory, "mode" | "uid" | "gid" | "files">): string {
  const hash = createHash("sha256").update(`${mode} ${uid} ${gid}\n`);
  for (const file of files) {
    hash.update(`${file.mode} ${file.volatile ? "volatile" : file.bytes.length} ${file.path}\0`);
    if (!file.volatile) hash.update(file.bytes);
  }
  return hash.digest("hex").slice(0, 16);
}

/** Whether a path from an object is one within a directory: no way out of it, nothing hidden that the writer itself uses. */
export function isInside(path: string): boolean {
  const parts = path.split("/");
  return path !== "" && parts.every((part) => part !== "" && part !== "." && part !== ".." && !part.includes("\0"));
}
