/** The audit log as a file: lines are only ever added, whole, by any number of runs at once. */
import { closeSync, constants, fstatSync, fsyncSync, mkdirSync, openSync, readSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { MendError } from "../../../errors/errors.ts";
import { fromSystemError } from "../../../errors/system-error.ts";
import { openTrustedDirectory } from "./trusted-directory.ts";

export interface AuditFile {
  /** `line` without a line feed. Throws a `MendError`. */
  append(line: string): void;
  /** Everything that was appended is on the disk after it. Throws a `MendError`. */
  close(): void;
}

/** A link in the place of the file is not followed, and nobody is waited for. */
const OPEN = constants.O_RDWR | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const LINE_FEED = 0x0a;

/** Only its owner may read it; the folder is made where it is missing. Throws a `MendError`. */
export function openAuditFile(path: string): AuditFile {
  const descriptor = attempt("open", path, () => {
    mkdirSync(dirname(path), { recursive: true, mode: 0o750 });
    using parent = openTrustedDirectory(dirname(path));
    return openSync(join(parent.anchor, basename(path)), OPEN, 0o600);
  });
  refuseOthers(descriptor, path);
  return {
    append(line) {
      attempt("write", path, () => {
        // The system adds one write as a whole; half a line of a full disk is closed by the next one's line feed.
        const bytes = Buffer.from(`${isWhole(descriptor) ? "" : "\n"}${line}\n`);
        const written = writeSync(descriptor, bytes);
        if (written === bytes.length) return;
        throw new MendError("io", `cannot write "${path}": the disk took half of a line`, { where: path });
      });
    },
    close() {
      attempt("flush", path, () => {
        try {
          if (fstatSync(descriptor).isFile()) fsyncSync(descriptor);
        } finally {
          closeSync(descriptor);
        }
      });
    },
  };
}

/** What another user made, that user can read; and nobody may read what goes into a pipe. */
function refuseOthers(descriptor: number, path: string): void {
  const stat = fstatSync(descriptor);
  const isDevice = stat.isCharacterDevice();
  const isOurs = stat.uid === process.geteuid?.() && stat.nlink === 1;
  if (isDevice || (stat.isFile() && isOurs)) return;
  closeSync(descriptor);
  const what = stat.isFile()
    ? `belongs to user ${stat.uid}${stat.nlink > 1 ? ", and has other names" : ""}`
    : "is no file";
  throw new MendError("not-a-file", `"${path}" ${what}`, { where: path, hint: "move it away, or name another file" });
}

function isWhole(descriptor: number): boolean {
  const stat = fstatSync(descriptor);
  if (!stat.isFile() || stat.size === 0) return true;
  const last = Buffer.alloc(1);
  return readSync(descriptor, last, 0, 1, stat.size - 1) === 1 && last[0] === LINE_FEED;
}

function attempt<T>(action: string, path: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw error instanceof MendError ? error : fromSystemError(error, action, path);
  }
}
