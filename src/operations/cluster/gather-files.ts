/** The contents of the files that a plan brings to its nodes, all in hand before any node is changed. */
import type { PlannedFile } from "../../cluster/node-needs.ts";
import type { PlanMaterial } from "../../cluster/restore-plan.ts";
import { invariant, MendError } from "../../errors/errors.ts";
import { type SentFile, sharedMode } from "./node/prepare-node.ts";
import type { BackupFiles, ClusterBackup } from "./read-backup-plan.ts";

/** Asks a node for files that all control-plane nodes share. */
export type ReadShared = (node: string, paths: readonly string[]) => Promise<readonly SentFile[]>;

/** Of one node. What its authorities make is made there, and is not among them. */
export async function gatherFiles(
  node: string,
  planned: readonly PlannedFile[],
  { stored, certs, inBackup }: BackupFiles,
  readShared: ReadShared,
): Promise<readonly SentFile[]> {
  const files: SentFile[] = [];
  const elsewhere = new Map<string, string[]>();
  for (const file of planned) {
    const { path } = file;
    if (file.from === "authority") continue;
    if (file.from === "node") elsewhere.set(file.node, [...(elsewhere.get(file.node) ?? []), path]);
    else if (file.from === "repository") {
      const found = stored.get(node)?.get(path);
      invariant(found !== undefined, "a stored file that is planned is there");
      files.push(found);
    } else {
      const bytes = (file.from === "kubeadm-certs" ? certs : inBackup).get(path);
      invariant(bytes !== undefined, "a file of the backup that is planned is there");
      const content = Buffer.from(bytes).toString("base64");
      const mode = path.includes("/pki/") ? sharedMode(path) : 0o644;
      files.push({ path, content, mode, uid: 0, gid: 0 });
    }
  }
  for (const [holder, paths] of elsewhere) {
    const sent = await readShared(holder, paths);
    const absent = paths.filter((path) => !sent.some((each) => each.path === path));
    if (absent.length > 0) {
      throw new MendError("not-found", `node "${holder}" no longer has ${absent.join(", ")}`, { where: holder });
    }
    files.push(...sent);
  }
  return files;
}

/** What a plan needs to know of all that: paths, and no contents. */
export function materialOf(
  { nodes, files, authorities }: Pick<ClusterBackup, "nodes" | "files" | "authorities">,
  acceptNewAuthority: boolean,
): PlanMaterial {
  return {
    nodes,
    stored: new Map([...files.stored].map(([node, each]) => [node, new Set(each.keys())])),
    certs: new Set(files.certs.keys()),
    inBackup: new Set(files.inBackup.keys()),
    authorities,
    acceptNewAuthority,
  };
}
