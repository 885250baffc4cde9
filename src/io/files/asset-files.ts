/** Reads an asset dir whole: certificates, kubeconfigs and manifests are small. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import type { AssetFile } from "../../bootstrap/start-plan.ts";
import { MendError } from "../../errors/errors.ts";
import { fromSystemError } from "../../errors/system-error.ts";

/** Only these matter to a start; a backup of etcd may lie beside them, of any size. */
const FOLDERS = ["auth", "tls", "bootstrap-manifests", "manifests", "etcd"];
const BACKUP = /^etcd\/.*\.db$/;
const MOST_BYTES = 64 << 20;

/**
 * The nodes of an asset dir that a recovery of static pods has written: it has their manifests, and no temporary
 * control plane. Empty for any other.
 */
export function staticPodAssets(directory: string): string[] {
  if (existsSync(join(directory, "bootstrap-manifests"))) return [];
  try {
    const nodes = readdirSync(join(directory, "nodes"), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return nodes
      .map(({ name }) => name)
      .filter((name) => existsSync(join(directory, "nodes", name, "manifests")))
      .sort();
  } catch {
    return []; // no such folder
  }
}

export function readAssetFiles(directory: string): AssetFile[] {
  try {
    if (!statSync(directory).isDirectory()) {
      throw new MendError("not-found", `the asset dir "${directory}" is not a directory`, { hint: "check the path" });
    }
    let total = 0;
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && FOLDERS.includes(entry.name))
      .flatMap(({ name }) => readdirSync(join(directory, name), { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile() || entry.isSymbolicLink())
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((path) => !BACKUP.test(relative(directory, path)))
      .sort()
      .map((path) => {
        const { size, mode } = statSync(path);
        total += size;
        if (total > MOST_BYTES) {
          throw new MendError("not-a-file", `the asset dir "${directory}" is too large for one`, {
            where: path,
            hint: "check the path",
          });
        }
        return { path: relative(directory, path), bytes: readFileSync(path), isExecutable: (mode & 0o100) !== 0 };
      });
  } catch (error) {
    throw fromSystemError(error, "read", directory);
  }
}
