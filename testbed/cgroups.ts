/**
 * The cgroups that a node's pods go into: one in each hierarchy, made before the kubelet starts, because it does not
 * make its root itself.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const ROOT = "/sys/fs/cgroup";

/** Makes the cgroup `path` (relative to the root), with its parents, in every hierarchy of version 1, or in the one of version 2. */
export function makeCgroups(path: string): void {
  if (existsSync(join(ROOT, "cgroup.controllers"))) {
    makeUnified(path);
    return;
  }
  for (const hierarchy of readdirSync(ROOT)) {
    const root = join(ROOT, hierarchy);
    if (!existsSync(join(root, "cgroup.procs")) || existsSync(join(root, "cgroup.controllers"))) continue;
    const cgroup = join(root, path);
    mkdirSync(cgroup, { recursive: true });
    if (hierarchy.split(",").includes("cpuset")) copyCpus(root, cgroup);
  }
}

/** A new cpuset has no processors and no memory, and so takes no process. */
function copyCpus(root: string, cgroup: string): void {
  if (cgroup === root) return;
  copyCpus(root, dirname(cgroup));
  for (const file of ["cpuset.cpus", "cpuset.mems"]) {
    writeFileSync(join(cgroup, file), readFileSync(join(dirname(cgroup), file)));
  }
}

/** In version 2 a controller works in a cgroup when its parent hands it down. */
function makeUnified(path: string): void {
  let at = ROOT;
  for (const part of path.split("/")) {
    const controllers = readFileSync(join(at, "cgroup.controllers"), "utf8").trim().split(" ");
    for (const controller of controllers) {
      try {
        writeFileSync(join(at, "cgroup.subtree_control"), `+${controller}`);
      } catch {
        // not one that can be handed down here; the kubelet says so if it needs it
      }
    }
    at = join(at, part);
    mkdirSync(at, { recursive: true });
  }
}
