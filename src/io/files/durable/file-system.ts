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
import { promisify } from "node:util";
import type { ByteSink } from "../../../bolt/page-output.ts";
import { defined } from "../../../errors/defined.ts";
import { MendError } from "../../../errors/errors.ts";
import { fromSystemError } from "../../../errors/system-error.ts";
import { descriptorPath } from "../descriptor-path.ts";
import { recordFileChange, recordRename } from "./file-changes.ts";
import { shownPath } from "./shown-path.ts";

const copyAsync = promisify(copyFile);
const syncAsync = promisify(fdatasync);
const readAt = promisify(read);
const run = promisify(execFile);
/**
 * The kernel keeps the memory of one write together. Large pieces of memory are often ones that a virtual machine has
 * to get from its host first, small ones were in use a moment ago: to write 1.5 GB took 0.4 s of CPU time in pieces of
 * this size, and up to 2.6 s in pieces of a megabyte.
 */
const PIECE_BYTES = 64 << 10;

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
   * A new file with all that a descriptor's file holds: it shares its blocks where the file system can, and has its
   * holes. Interrupted by the signal, it is closed and stays. Where it is copied piece by piece, `watch` is called with
   * each piece in turn, in memory that is used again.
   */
  copy(
    descriptor: number,
    path: string,
    mode: number,
    signal?: AbortSignal,
    watch?: (piece: Uint8Array) => void,
  ): Promise<OutputFile>;
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
  async copy(descriptor, path, mode, signal, watch) {
    signal?.throwIfAborted();
    const { size, blocks } = fstatSync(descriptor);
    if (blocks * 512 < size - SPARSE_BYTES) return copySparse(descriptor, path, mode, size, signal);
    if (!(await shareBlocks(descriptor, path))) return copyPieces(descriptor, path, mode, size, signal, watch);
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
    attempt("flush", path, () => flushDirectory(path));
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

const COPY_CHUNK = 1 << 20;
/** So much is given to the disk at a time while more is copied: then little is left to flush at the end. */
const FLUSH_BYTES = 64 << 20;

/** By the descriptor, because an unpacked archive has no name. False where the file system cannot, and nothing is there. */
async function shareBlocks(descriptor: number, path: string): Promise<boolean> {
  const from = descriptorPath(descriptor);
  if (from === undefined) return false;
  try {
    await copyAsync(from, path, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch (error) {
    if (existsSync(path)) throw fromSystemError(error, "copy to", shownPath(path));
    return false;
  }
}

/**
 * In pieces, because nothing ends a copy that the kernel makes as a whole: the end of this process waits for it too. One
 * piece is watched and written while the next is read.
 */
async function copyPieces(
  descriptor: number,
  path: string,
  mode: number,
  size: number,
  signal: AbortSignal | undefined,
  watch: ((piece: Uint8Array) => void) | undefined,
): Promise<OutputFile> {
  const copied = attempt("create", path, () => openSync(path, CREATE, mode));
  let flushing = Promise.resolve();
  const buffers = [Buffer.allocUnsafeSlow(COPY_CHUNK), Buffer.allocUnsafeSlow(COPY_CHUNK)] as const;
  const read = async (turn: 0 | 1, at: number): Promise<number> =>
    at >= size ? 0 : (await readAt(descriptor, buffers[turn], 0, COPY_CHUNK, at)).bytesRead;
  let reading = read(0, 0);
  try {
    for (let at = 0, turn: 0 | 1 = 0; at < size; turn = turn === 0 ? 1 : 0) {
      signal?.throwIfAborted();
      const bytesRead = await reading;
      if (bytesRead === 0) break;
      const piece = buffers[turn].subarray(0, bytesRead);
      const from = at;
      at += bytesRead;
      reading = read(turn === 0 ? 1 : 0, at);
      reading.catch(() => {}); // awaited a turn later
      watch?.(piece);
      writePieces(copied, piece, from);
      if (at % FLUSH_BYTES !== 0) continue;
      await flushing;
      flushing = syncAsync(copied);
      flushing.catch(() => {});
    }
    await flushing;
    fchmodSync(copied, mode);
    return outputFile(path, copied);
  } catch (error) {
    await Promise.allSettled([reading, flushing]);
    closeSync(copied);
    signal?.throwIfAborted();
    throw fromSystemError(error, "copy to", shownPath(path));
  }
}

function writePieces(descriptor: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; )
    done += writeSync(descriptor, bytes, done, Math.min(PIECE_BYTES, bytes.length - done), position + done);
}

/** What is zero is passed over, so that it stays a hole. */
async function copySparse(
  descriptor: number,
  path: string,
  mode: number,
  size: number,
  signal: AbortSignal | undefined,
): Promise<OutputFile> {
  const output = outputFile(
    path,
    attempt("create", path, () => openSync(path, CREATE, mode)),
  );
  try {
    const buffer = Buffer.alloc(16 * SPARSE_CHUNK);
    const zeros = Buffer.alloc(SPARSE_CHUNK);
    for (let at = 0; at < size; ) {
      signal?.throwIfAborted();
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
    signal?.throwIfAborted();
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
  flushDirectory(dirname(path));
}

/** Windows flushes files only: its names last with them. */
const FLUSHES_DIRECTORIES = process.platform !== "win32";

function flushDirectory(path: string): void {
  if (!FLUSHES_DIRECTORIES) return;
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
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
  const pending: Buffer[] = (top.isDirectory() && FLUSHES_DIRECTORIES) || top.isFile() ? [Buffer.from(root)] : [];
  for (const directories = top.isDirectory() ? [Buffer.from(root)] : []; directories.length > 0; ) {
    const directory = defined(directories.pop());
    for (const entry of readdirSync(directory, { withFileTypes: true, encoding: "buffer" })) {
      const path = Buffer.concat([directory, Buffer.from("/"), entry.name]);
      if (entry.isFile()) pending.push(path);
      if (!entry.isDirectory() || lstatSync(path).dev !== dev) continue;
      if (FLUSHES_DIRECTORIES) pending.push(path);
      directories.push(path);
    }
  }
  const work = async (): Promise<void> => {
    for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
      const handle = await open(
        path,
        (FLUSHES_DIRECTORIES ? constants.O_RDONLY : constants.O_RDWR) | constants.O_NOFOLLOW,
      );
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    }
  };
  await Promise.all(Array.from({ length: SYNCS_AT_ONCE }, work));
}

function outputFile(path: string, descriptor: number): OutputFile {
  return {
    path,
    descriptor,
    write(bytes, position) {
      attempt("write", path, () => writePieces(descriptor, bytes, position));
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
