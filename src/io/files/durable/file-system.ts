/**
 * The few things that are done to files when a data dir is written, behind one interface: tests put a layer in between
 * that fails, or ends
 * everything, at the n-th of them.
 */

import { execFile } from "node:child_process";
import {
  closeSync,
  constants,
  copyFile,
  existsSync,
  fchmodSync,
  fchownSync,
  fdatasync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  read,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";
import type { ByteSink } from "../../../bolt/page-output.ts";
import { defined } from "../../../errors/defined.ts";
import { MendError } from "../../../errors/errors.ts";
import { fromSystemError } from "../system-error.ts";
import { recordFileChange, recordRename } from "./file-changes.ts";
import { shownPath } from "./shown-path.ts";

const copyAsync = promisify(copyFile);
const syncAsync = promisify(fdatasync);
const readAt = promisify(read);
const run = promisify(execFile);
const FLUSH_INTERVAL_MS = 50;
/**
 * The kernel keeps the memory of one write together. Large pieces of memory are often ones that a virtual machine has
 * to get from its host first, small ones were in
 * use a moment ago: to write 1.5 GB took 0.4 s of CPU time in pieces of this size, and up to 2.6 s in pieces of a
 * megabyte.
 */
const PIECE_BYTES = 16 << 10;

/** A new file: whatever has its name, a link too, is an error. */
const CREATE = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

export interface OutputFile extends ByteSink {
  readonly path: string;
  /** Open for reading too. */
  readonly descriptor: number;
  truncate(size: number): void;
  sync(): Promise<void>;
  /** Gives it its mode, whatever the process' mask is, and its owner. */
  own(mode: number, uid: number, gid: number): void;
  close(): void;
}

export interface FileSystem {
  /** With those above it that are missing; their names are flushed. One that is there is no error. */
  makeDirectory(path: string, mode: number): void;
  /** A new file; one that exists is an error. */
  create(path: string, mode: number): OutputFile;
  /**
   * A new file with all that a descriptor's file holds, copied by the kernel, which shares the blocks where the file
   * system can.
   */
  copy(descriptor: number, path: string, mode: number): Promise<OutputFile>;
  /**
   * A directory tree or a file with all that it is: modes, owners, times, extended attributes, links as links, devices
   * as devices. By `cp -a`, because
   * Node reads no extended attributes and makes no devices.
   */
  copyTree(from: string, to: string, signal?: AbortSignal): Promise<void>;
  rename(from: string, to: string): void;
  /** Another name for a file, which takes no space on the disk. */
  link(from: string, to: string): void;
  /** Gives a file or a directory its mode, whatever the process' mask is, and its owner. */
  own(path: string, mode: number, uid: number, gid: number): void;
  /** Makes the names in a directory last. */
  syncDirectory(path: string): void;
  /** Makes a file, or all files and names below a directory, last. */
  syncTree(path: string): Promise<void>;
  /** Removes a file or a directory with all it holds; nothing there is no error. */
  remove(path: string): void;
}

/** All functions throw a `MendError`. */
export const realFileSystem: FileSystem = {
  makeDirectory: (path, mode) => attempt("create directory", path, () => makeDirectories(path, mode)),
  create(path, mode) {
    const descriptor = attempt("create", path, () => openSync(path, CREATE, mode));
    recordFileChange("create", path);
    return outputFile(path, descriptor);
  },
  async copy(descriptor, path, mode) {
    const { size, blocks } = fstatSync(descriptor);
    if (blocks * 512 < size - SPARSE_BYTES) return copySparse(descriptor, path, mode, size);
    // By the descriptor, because an unpacked archive has no name.
    const copying = copyAsync(`/dev/fd/${descriptor}`, path, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    const flushing = flushWhile(copying, path);
    try {
      await copying;
    } catch (error) {
      throw fromSystemError(error, "copy to", shownPath(path));
    } finally {
      await flushing;
    }
    return attempt("open", path, () => {
      const copied = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW);
      fchmodSync(copied, mode);
      return outputFile(path, copied);
    });
  },
  async copyTree(from, to, signal) {
    try {
      await run("cp", ["-a", "--", from, to], signal === undefined ? {} : { signal });
    } catch (error) {
      signal?.throwIfAborted();
      const output = String((error as { stderr?: unknown }).stderr ?? "").trim();
      throw new MendError("io", `cannot copy "${from}" to "${to}": ${output || (error as Error).message}`, {
        where: to,
        hint: "check the space on its disk",
        cause: error,
      });
    }
  },
  rename(from, to) {
    attempt("rename", `${shownPath(from)}" to "${shownPath(to)}`, () => renameSync(from, to));
    recordRename(from, to);
  },
  link(from, to) {
    attempt("link", `${shownPath(from)}" to "${shownPath(to)}`, () => linkSync(from, to));
    recordFileChange("write", to);
  },
  own(path, mode, uid, gid) {
    attempt("change the owner of", path, () => {
      const descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      try {
        ownDescriptor(descriptor, mode, uid, gid);
      } finally {
        closeSync(descriptor);
      }
    });
  },
  syncDirectory(path) {
    attempt("flush", path, () => {
      const descriptor = openSync(path, "r");
      try {
        fsyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
    });
  },
  async syncTree(path) {
    try {
      await syncTree(path);
    } catch (error) {
      throw fromSystemError(error, "flush", shownPath(path));
    }
  },
  remove(path) {
    const isThere = lstatSync(path, { throwIfNoEntry: false }) !== undefined;
    attempt("remove", path, () => rmSync(path, { recursive: true, force: true }));
    if (isThere) recordFileChange("remove", path);
  },
};

/** So much less on the disk than a file is long makes it sparse. */
const SPARSE_BYTES = 1 << 20;
const SPARSE_CHUNK = 64 << 10;

/** The kernel's own copy would write the holes. What is zero is passed over, so that it stays a hole. */
async function copySparse(descriptor: number, path: string, mode: number, size: number): Promise<OutputFile> {
  const output = outputFile(
    path,
    attempt("create", path, () => openSync(path, CREATE, mode)),
  );
  try {
    const buffer = Buffer.alloc(16 * SPARSE_CHUNK);
    const zeros = Buffer.alloc(SPARSE_CHUNK);
    for (let at = 0; at < size; ) {
      const { bytesRead } = await readAt(descriptor, buffer, 0, buffer.length, at);
      if (bytesRead === 0) break;
      for (let from = 0; from < bytesRead; from += SPARSE_CHUNK) {
        const part = buffer.subarray(from, Math.min(from + SPARSE_CHUNK, bytesRead));
        if (!part.equals(zeros.subarray(0, part.length))) output.write(part, at + from);
      }
      at += bytesRead;
    }
    output.truncate(size);
    return output;
  } catch (error) {
    output.close();
    throw fromSystemError(error, "copy to", shownPath(path));
  }
}

/** The owner first: changing it takes set-id bits away. */
function ownDescriptor(descriptor: number, mode: number, uid: number, gid: number): void {
  const found = fstatSync(descriptor);
  if (found.uid !== uid || found.gid !== gid) fchownSync(descriptor, uid, gid);
  if ((fstatSync(descriptor).mode & 0o7777) !== mode) fchmodSync(descriptor, mode);
}

/**
 * Node's own recursive way never ends where the parent is there and the system still says that it is not, as it does
 * below /proc.
 */
function makeDirectories(path: string, mode: number): void {
  try {
    makeLasting(path, mode);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT" || existsSync(dirname(path))) throw error;
    makeDirectories(dirname(path), mode);
    makeLasting(path, mode);
  }
}

/** What is flushed in a directory whose own name is not can be lost with it. */
function makeLasting(path: string, mode: number): void {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    // One that is there may have been made by another run a moment ago.
    if ((error as NodeJS.ErrnoException).code === "EEXIST" && statSync(path).isDirectory()) return;
    throw error;
  }
  const parent = openSync(dirname(path), "r");
  try {
    fsyncSync(parent);
  } finally {
    closeSync(parent);
  }
}

/**
 * So many at a time: the journal of a file system takes them together. Links and others have nothing to flush but their
 * names.
 */
const SYNCS_AT_ONCE = 64;

/** Names need not be UTF-8. Other file systems below are others' to flush. */
async function syncTree(root: string): Promise<void> {
  const top = lstatSync(root);
  const { dev } = top;
  const pending: Buffer[] = top.isDirectory() || top.isFile() ? [Buffer.from(root)] : [];
  for (const directories = top.isDirectory() ? [...pending] : []; directories.length > 0; ) {
    const directory = defined(directories.pop());
    for (const entry of readdirSync(directory, { withFileTypes: true, encoding: "buffer" })) {
      const path = Buffer.concat([directory, Buffer.from("/"), entry.name]);
      if (entry.isFile()) pending.push(path);
      if (!entry.isDirectory() || lstatSync(path).dev !== dev) continue;
      pending.push(path);
      directories.push(path);
    }
  }
  const work = async (): Promise<void> => {
    for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
      const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    }
  };
  await Promise.all(Array.from({ length: SYNCS_AT_ONCE }, work));
}

/**
 * Has the disk take what was copied so far while more is copied. Failures are left to the flush that counts, at the
 * end.
 */
async function flushWhile(copying: Promise<void>, path: string): Promise<void> {
  let isOver = false;
  const over = (): void => {
    isOver = true;
  };
  copying.then(over, over);
  let descriptor: number | undefined;
  try {
    for (;;) {
      await setTimeout(FLUSH_INTERVAL_MS);
      if (isOver) return;
      descriptor ??= openSync(path, "r+");
      await syncAsync(descriptor);
    }
  } catch {
    return;
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

function outputFile(path: string, descriptor: number): OutputFile {
  return {
    path,
    descriptor,
    write(bytes, position) {
      attempt("write", path, () => {
        for (let done = 0; done < bytes.length; ) {
          done += writeSync(descriptor, bytes, done, Math.min(PIECE_BYTES, bytes.length - done), position + done);
        }
      });
    },
    truncate: (size) => attempt("resize", path, () => ftruncateSync(descriptor, size)),
    async sync() {
      try {
        await syncAsync(descriptor);
      } catch (error) {
        throw fromSystemError(error, "flush", shownPath(path));
      }
    },
    own: (mode, uid, gid) => attempt("change the owner of", path, () => ownDescriptor(descriptor, mode, uid, gid)),
    close: () => closeSync(descriptor),
  };
}

function attempt<T>(action: string, path: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw fromSystemError(error, action, shownPath(path));
  }
}
