/** Turns what the operating system says into a {@link MendError}, by its code and never by its text. */
import { type ErrorCode, MendError } from "./errors.ts";

/** Node's own check of a path, before it asks the system: a file that names another may hold such a path. */
const NULL_BYTE = "ERR_INVALID_ARG_VALUE";

const MEANING: Readonly<Record<string, readonly [ErrorCode, string, string]>> = {
  ENOENT: ["not-found", "no such file or directory", "check the path"],
  ENOTDIR: ["not-found", "a part of the path is not a directory", "check the path"],
  EACCES: [
    "permission-denied",
    "permission denied",
    "run it as a user who may do this, such as with sudo; root is refused by network file systems and security modules",
  ],
  EPERM: [
    "permission-denied",
    "operation not permitted",
    "run it with sudo; where root is refused too, lsattr shows whether it is immutable, and chattr -i makes it writable",
  ],
  EISDIR: ["not-a-file", "it is a directory", "give a file"],
  EEXIST: ["already-exists", "it exists already", "choose another path"],
  ENOTEMPTY: ["not-empty", "the directory is not empty", "choose another path"],
  ENOSPC: ["no-space", "no space left on the device", "free some space, or choose another disk"],
  EDQUOT: ["no-space", "the disk quota is used up", "free some space, or choose another disk"],
  EROFS: ["permission-denied", "the file system is read-only", "choose another path"],
  EMFILE: ["io", "too many open files", "raise the limit with ulimit -n"],
  ELOOP: ["io", "too many symbolic links", "check the path"],
  ENAMETOOLONG: ["usage", "the name is too long", "choose a shorter path"],
  [NULL_BYTE]: ["not-found", "a path cannot have a null byte", "check the path"],
};

/** The error code of a system error, such as `ENOENT`, or undefined for any other error. */
export function systemCode(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return code !== undefined && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}

/**
 * Converts a failed system call. `action` is a verb ("open", "read"), `where` the path it was for. What is not a system
 * error comes back as it is.
 */
export function fromSystemError(error: unknown, action: string, where: string): unknown {
  const code = systemCode(error) ?? (where.includes("\0") ? NULL_BYTE : undefined);
  if (code === undefined) return error;
  const [mend, text, hint] = MEANING[code] ?? ["io", `the system says ${code}`, "check the disk and the system's log"];
  return new MendError(mend, `cannot ${action} "${where}": ${text}`, { where, hint, cause: error });
}
