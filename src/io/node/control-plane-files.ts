/**
 * What etcd does not hold of a control-plane node: manifests, certificates and keys, kubeconfigs, the kubelet's
 * configuration. As they are: content, mode, owner, links as links.
 */

import { lstat, readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import { defined } from "../../errors/defined.ts";
import { fromSystemError, systemCode } from "../../errors/system-error.ts";
import type { NodeFile } from "../../repository/node-files.ts";

/** A configuration file is far smaller; a larger one is something else that lies there. */
const MOST_BYTES = 4 << 20;
const MOST_FILES = 10_000;

/** What kubeadm and others put there. `--encryption-provider-config` of a manifest is found besides. */
export const CONTROL_PLANE_PATHS: readonly string[] = [
  "/etc/kubernetes",
  "/var/lib/kubelet/config.yaml",
  "/var/lib/kubelet/kubeadm-flags.env",
  "/var/lib/kubelet/instance-config.yaml",
  "/etc/systemd/system/kubelet.service",
  "/etc/systemd/system/kubelet.service.d",
  "/usr/lib/systemd/system/kubelet.service.d",
  "/etc/default/kubelet",
  "/etc/sysconfig/kubelet",
];

export interface FoundNodeFiles {
  /** In the order of their paths. */
  readonly files: readonly NodeFile[];
  /** What was left out, and why. */
  readonly skipped: readonly { readonly path: string; readonly reason: string }[];
}

/** Paths that are not there are passed over. Throws a `MendError` for one that may not be read. */
export async function readNodeFiles(paths: readonly string[]): Promise<FoundNodeFiles> {
  const files = new Map<string, NodeFile>();
  const skipped: { path: string; reason: string }[] = [];
  const pending = [...paths];
  while (pending.length > 0) {
    const path = defined(pending.shift());
    if (files.has(path)) continue;
    if (files.size >= MOST_FILES) {
      skipped.push({ path, reason: `there are more than ${MOST_FILES} files` });
      break;
    }
    try {
      const stat = await lstat(path);
      const { uid, gid } = stat;
      const mode = stat.mode & 0o7777;
      if (stat.isDirectory()) pending.push(...(await readdir(path)).sort().map((name) => join(path, name)));
      else if (stat.isSymbolicLink())
        files.set(path, { path, type: "link", mode, uid, gid, target: await readlink(path) });
      else if (!stat.isFile()) skipped.push({ path, reason: "it is neither a file nor a link" });
      else if (stat.size > MOST_BYTES) skipped.push({ path, reason: `it has ${stat.size} bytes` });
      else {
        const content = await readFile(path);
        files.set(path, { path, type: "file", mode, uid, gid, content: content.toString("base64") });
        for (const named of namedFiles(path, content)) pending.push(named);
      }
    } catch (error) {
      if (systemCode(error) === "ENOENT") continue; // it went meanwhile, or never was
      throw fromSystemError(error, "read", path);
    }
  }
  const sorted = [...files.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  return { files: sorted, skipped };
}

/** The EncryptionConfiguration that an API server's manifest names, without which its secrets cannot be read. */
function namedFiles(path: string, content: Buffer): string[] {
  if (!/\.(ya?ml|json)$/.test(path)) return [];
  const found = content
    .toString("latin1")
    .matchAll(/--(?:experimental-)?encryption-provider-config[= "',]+(\/[^\s"',]+)/g);
  return [...found].map((match) => defined(match[1]));
}
