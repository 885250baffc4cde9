/** `backup restore --node`: the files of a control-plane node, below a directory, with their modes and owners. */
import { existsSync } from "node:fs";
import { dirname, normalize } from "node:path";
import { MendError } from "../../errors/errors.ts";
import { realFileSystem } from "../../io/files/durable/file-system.ts";
import { type FileTree, openFileTree } from "../../io/files/durable/file-tree.ts";
import { openTrustedDirectory } from "../../io/files/durable/trusted-directory.ts";
import { type Link, readContent, whereOf } from "../../io/repository/repository.ts";
import type { NodeHead } from "../../repository/head.ts";
import { decodeNodeFiles, type NodeFile } from "../../repository/node-files.ts";
import type { MomentAccess } from "../../snapshot/moment-access.ts";
import { openForReading } from "../../snapshot/open-moment.ts";

export interface RestoredNodeFiles {
  readonly node: string;
  /** ISO 8601: when they were stored. */
  readonly time: string;
  readonly directory: string;
  readonly files: number;
  /** Paths whose owners could not be set, because only root may. */
  readonly withoutOwner: readonly string[];
}

/**
 * `before`: the newest ones that were stored until then, in milliseconds. Throws `not-empty`, `directory-untrusted` where
 * another user could exchange what is written, and `object-not-found` for a node that the repository does not have.
 */
export async function restoreNodeFiles(
  address: string,
  node: string,
  directory: string,
  access: MomentAccess & { readonly before?: number },
): Promise<RestoredNodeFiles> {
  const { repository, links } = await openForReading(address, access);
  try {
    const { before = Number.POSITIVE_INFINITY } = access;
    const own = links.filter(isOfNode);
    const link = own.findLast(({ signed: { head } }) => head.node === node && Date.parse(head.written) <= before);
    if (link === undefined) {
      const known = [...new Set(own.map(({ signed: { head } }) => head.node))];
      throw new MendError("object-not-found", `the repository holds no files of node "${node}"`, {
        where: repository.store.url,
        hint: known.length === 0 ? "agents store them with nodeFiles: true" : `it has those of ${known.join(", ")}`,
      });
    }
    realFileSystem.makeDirectory(dirname(directory), 0o700);
    if (existsSync(directory)) openTrustedDirectory(directory)[Symbol.dispose]();
    using tree = await openFileTree(directory, { command: "backup restore" });
    const { files } = decodeNodeFiles(await readContent(repository, link), whereOf(repository, link));
    const withoutOwner: string[] = [];
    // Links last: nothing is ever written through one.
    const ordered = [...files].sort((a, b) =>
      a.type === b.type ? (a.path < b.path ? -1 : 1) : a.type === "link" ? 1 : -1,
    );
    for (const file of ordered) if (!(await place(file, tree))) withoutOwner.push(file.path);
    await tree.commit();
    return { node, time: link.signed.head.written, directory, files: files.length, withoutOwner };
  } finally {
    await repository.store.close();
  }
}

function isOfNode(link: Link): link is Link & { readonly signed: { readonly head: NodeHead } } {
  return link.signed.head.kind === "node";
}

/** Returns false where the owner could not be set. */
function place(file: NodeFile, tree: FileTree): Promise<boolean> {
  if (normalize(file.path) !== file.path || file.path.split("/").includes("..")) {
    throw new MendError("repository-damaged", `"${file.path}" is no path of a file`, { where: file.path });
  }
  const { path, uid, gid, mode } = file;
  if (file.type === "link") return tree.place(path, { type: "link", target: file.target ?? "", uid, gid });
  return tree.place(path, { type: "file", content: Buffer.from(file.content ?? "", "base64"), mode, uid, gid });
}
