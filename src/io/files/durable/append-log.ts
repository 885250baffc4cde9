/**
 * A file that only grows, line by line, and whose lines are on the disk before what they announce is done: many writers
 * share one flush.
 */
import {
  closeSync,
  constants,
  fdatasync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  write,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { MendError } from "../../../errors/errors.ts";
import { fromSystemError } from "../../../errors/system-error.ts";
import { recordFileChange } from "./file-changes.ts";
import { tryLock } from "./flock.ts";
import { openTrustedDirectory } from "./trusted-directory.ts";

const flush = promisify(fdatasync);
const writeAsync = promisify(write);

export interface AppendLog {
  readonly path: string;
  /** Resolves when the line is on the disk. The line has no line feed in it. */
  append(line: string): Promise<void>;
  /**
   * Resolves when the line is written: it outlives this process, and is on the disk with the next line that has to be,
   * or when the log is closed.
   */
  note(line: string): Promise<void>;
  /** After everything that was appended is on the disk. */
  close(): Promise<void>;
}

/**
 * Only the owner may read the file. Throws `already-exists` where there is one of that name, `directory-untrusted` where
 * another user could exchange a directory on the way.
 */
export function createAppendLog(path: string): AppendLog {
  using parent = openTrustedDirectory(dirname(path));
  let descriptor: number;
  try {
    const place = join(parent.anchor, basename(path));
    descriptor = openSync(place, constants.O_CREAT | constants.O_EXCL | constants.O_RDWR | constants.O_NOFOLLOW, 0o600);
    const directory = openSync(parent.anchor, "r");
    try {
      fsyncSync(directory);
    } finally {
      closeSync(directory);
    }
  } catch (error) {
    throw fromSystemError(error, "create", path);
  }
  lock(descriptor, path);
  recordFileChange("create", path);
  return appendLog(path, descriptor, 0);
}

/** Until it is closed, however this process ends. */
function lock(descriptor: number, path: string): void {
  if (tryLock(descriptor) !== "others") return;
  closeSync(descriptor);
  throw new MendError("already-exists", `another run is writing "${path}"`, {
    where: path,
    hint: "wait until it has ended",
  });
}

/** Goes on with a file that is there. A last line that was cut off is removed: what it announced was not begun. */
export function continueAppendLog(path: string): AppendLog {
  try {
    const descriptor = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW);
    lock(descriptor, path);
    const size = endOfLines(descriptor);
    ftruncateSync(descriptor, size);
    return appendLog(path, descriptor, size);
  } catch (error) {
    throw fromSystemError(error, "open", path);
  }
}

/** Bytes up to the last line feed. */
function endOfLines(descriptor: number): number {
  const piece = Buffer.alloc(64 << 10);
  for (let end = fstatSync(descriptor).size; end > 0; ) {
    const start = Math.max(0, end - piece.length);
    const count = readSync(descriptor, piece, 0, end - start, start);
    const at = piece.subarray(0, count).lastIndexOf(0x0a);
    if (at >= 0) return start + at + 1;
    end = start;
  }
  return 0;
}

function appendLog(path: string, descriptor: number, size: number): AppendLog {
  let position = size;
  interface Line {
    readonly text: string;
    readonly lasts: boolean;
    resolve(): void;
    reject(error: unknown): void;
  }
  let pending: Line[] = [];
  let isFlushed = true;
  let running: Promise<void> | undefined;
  const run = async () => {
    while (pending.length > 0) {
      const batch = pending;
      pending = [];
      try {
        const bytes = Buffer.from(batch.map(({ text }) => text).join(""));
        for (let done = 0; done < bytes.length; ) {
          const { bytesWritten } = await writeAsync(descriptor, bytes, done, bytes.length - done, position + done);
          done += bytesWritten;
        }
        position += bytes.length;
        isFlushed = false;
        for (const each of batch) if (!each.lasts) each.resolve();
        if (!batch.some(({ lasts }) => lasts)) continue;
        await flush(descriptor);
        isFlushed = true;
        for (const each of batch) each.resolve();
      } catch (error) {
        const failure = fromSystemError(error, "write", path);
        for (const each of [...batch, ...pending]) each.reject(failure);
        pending = [];
      }
    }
    running = undefined;
  };
  const put = (line: string, lasts: boolean): Promise<void> => {
    if (line.includes("\n")) throw new MendError("internal", "a line of a log has a line feed in it");
    return new Promise((resolve, reject) => {
      pending.push({ text: `${line}\n`, lasts, resolve, reject });
      running ??= Promise.resolve().then(run);
    });
  };
  return {
    path,
    append: (line) => put(line, true),
    note: (line) => put(line, false),
    async close() {
      while (running !== undefined) await running;
      try {
        if (!isFlushed) await flush(descriptor);
      } catch (error) {
        throw fromSystemError(error, "write", path);
      } finally {
        closeSync(descriptor);
      }
    },
  };
}
