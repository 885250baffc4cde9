/**
 * One change of a directory tree, as it was seen. Paths are relative to the directory that is recorded; an inode is a
 * file's own number while it exists.
 */
export type RecordedChange =
  | { readonly change: "create" | "mkdir"; readonly path: string; readonly inode: number; readonly mode: number }
  | { readonly change: "write"; readonly inode: number; readonly at: number /** Base64. */; readonly data: string }
  | { readonly change: "truncate"; readonly inode: number; readonly size: number }
  | { readonly change: "chmod"; readonly inode: number; readonly mode: number }
  /** Of a file or a directory: all that was done to it before is on the disk. */
  | { readonly change: "sync"; readonly inode: number }
  | { readonly change: "rename" | "link"; readonly from: string; readonly to: string }
  | { readonly change: "symlink"; readonly path: string; readonly target: string }
  | { readonly change: "unlink" | "rmdir"; readonly path: string }
  /** Something was written to stdout: what it says must hold from then on. */
  | { readonly change: "say" };
