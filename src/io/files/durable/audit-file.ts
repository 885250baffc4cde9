/** The audit log as a file: lines are only ever added, whole, by any number of runs at once. */
import { closeSync, constants, fstatSync, fsyncSync, mkdirSync, openSync, readSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { MendError } from "../../../errors/errors.ts";
import { fromSystemError } from "../system-error.ts";

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
    return openSync(path, OPEN, 0o600);
  });
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
