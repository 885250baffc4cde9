/**
 * Compressed snapshots: gzip, zstd, and the zip files that k3s writes. What a file is shows in its first bytes, never
 * in its name. A small content stays in memory, others go to a disk: in either case to a file that has no name from the
 * moment it exists (unlinked at once, mode 0600), so that neither a crash nor SIGINT leaves half a snapshot or a readable
 * copy of the cluster's secrets behind.
 *
 * Formats: RFC 1952 (gzip, several members), RFC 8878 (zstd, several and skippable frames), PKWARE's APPNOTE (zip, by yauzl).
 */

import { closeSync, fstatSync, read, readSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { Readable } from "node:stream";
import { promisify } from "node:util";
import type { Gunzip, ZstdDecompress } from "node:zlib";
import { defined } from "../../errors/defined.ts";
import { MendError } from "../../errors/errors.ts";
import { systemCode } from "../../errors/system-error.ts";
import type { ArchiveContent } from "./archive-content.ts";
import { openUnnamed, writeFully } from "./durable/unnamed-file.ts";

export type ArchiveKind = "gzip" | "zstd" | "zip";

/** A decompressed archive: an open file without a name. Closing `fd` frees its disk space. */
export interface OpenArchive {
  readonly kind: ArchiveKind;
  readonly fd: number;
  /** Bytes, decompressed. */
  readonly size: number;
  /** The entry of a zip archive that was taken. */
  readonly entry?: string;
}

export interface ArchiveOptions {
  /** Where the content goes; unless given, memory for a small one, and the system's (TMPDIR) for others. */
  readonly temporaryDirectory?: string;
  /** How many bytes it may take there; nearly all that is free unless given. */
  readonly mostBytes?: number;
  readonly signal?: AbortSignal;
  /** Called as bytes are written, with how many there are so far. */
  readonly onProgress?: (written: number) => void;
}

const readAt = promisify(read);
const CHUNK = 1 << 18;
/** The part of the free space that a decompressed snapshot may take. */
const SHARE_OF_FREE_SPACE = 0.95;

/** What kind of archive starts with these bytes (4 are enough), or undefined when it is none. */
function archiveKind(head: Uint8Array): ArchiveKind | undefined {
  if (head.length < 4) return undefined;
  const magic = defined(head[0]) | (defined(head[1]) << 8) | (defined(head[2]) << 16) | (defined(head[3]) << 24);
  if ((magic & 0xffffff) === 0x088b1f) return "gzip";
  if (magic === ZSTD_MAGIC || isSkippableFrame(magic)) return "zstd";
  if (magic === 0x04034b50 || magic === 0x06054b50) return "zip";
  return undefined;
}

/**
 * Decompresses the archive open at `fd`, or returns undefined when the file is none. The caller keeps and closes `fd`,
 * and closes the one returned. `path` is for messages. Throws a `MendError`: `archive-invalid` (damaged, truncated, not
 * one snapshot inside), `no-space`, `unsupported`, `io`.
 */
export async function openArchive(
  path: string,
  fd: number,
  options: ArchiveOptions = {},
): Promise<OpenArchive | undefined> {
  const head = new Uint8Array(4);
  const kind = archiveKind(head.subarray(0, readSync(fd, head, 0, 4, 0)));
  if (kind === undefined) return undefined;
  if (options.temporaryDirectory === undefined) {
    const memory = memoryPlace();
    if (memory !== undefined && !isSurelyLarger(kind, fd, memory.mostBytes)) {
      const unpacked = await unpackWhereItFits(kind, path, fd, { ...options, ...memory });
      if (unpacked !== undefined) return unpacked;
    }
  }
  return unpack(kind, path, fd, options);
}

/** Undefined where it does not fit, and where nothing can be written. */
async function unpackWhereItFits(
  kind: ArchiveKind,
  path: string,
  fd: number,
  options: ArchiveOptions,
): Promise<OpenArchive | undefined> {
  try {
    return await unpack(kind, path, fd, options);
  } catch (error) {
    if (error instanceof MendError && (error.code === "no-space" || error.code === "io")) return undefined;
    throw error;
  }
}

async function unpack(kind: ArchiveKind, path: string, fd: number, options: ArchiveOptions): Promise<OpenArchive> {
  const directory = options.temporaryDirectory ?? tmpdir();
  const target = openUnnamed(directory);
  try {
    const content =
      kind === "zip" ? await (await import("./zip.ts")).zipContent(path, fd) : streamContent(kind, path, fd);
    const size = await copy(content, target, { path, directory, options });
    rejectTar(target, path);
    return { kind, fd: target, size, ...(content.entry === undefined ? {} : { entry: content.entry }) };
  } catch (error) {
    closeSync(target);
    throw error;
  }
}

/** Linux' directory for shared memory, if it is one (statfs(2), f_type of tmpfs). */
const MEMORY_DIRECTORY = "/dev/shm";
const TMPFS = 0x01021994;
const MOST_IN_MEMORY = 256 << 20;

/**
 * Where a small content stays in memory: it is never written to a disk (but for swap), and frees its memory when it is
 * closed. At most a quarter of what is free.
 */
function memoryPlace(): { readonly temporaryDirectory: string; readonly mostBytes: number } | undefined {
  try {
    if (statfsSync(MEMORY_DIRECTORY).type !== TMPFS) return undefined;
  } catch (error) {
    if (systemCode(error) !== undefined) return undefined;
    throw error;
  }
  const free = Math.min(freeBytes(MEMORY_DIRECTORY), process.availableMemory());
  return { temporaryDirectory: MEMORY_DIRECTORY, mostBytes: Math.min(MOST_IN_MEMORY, Math.floor(free / 4)) };
}

/** By the size of the archive, or what gzip writes at its end: the size of the content, of a larger one the low 32 bits. */
function isSurelyLarger(kind: ArchiveKind, fd: number, mostBytes: number): boolean {
  const { size } = fstatSync(fd);
  const end = Buffer.alloc(4);
  const isRead = kind === "gzip" && size > 4 && readSync(fd, end, 0, 4, size - 4) === 4;
  return size > mostBytes || (isRead && end.readUInt32LE(0) > mostBytes);
}

function streamContent(kind: "gzip" | "zstd", path: string, fd: number): ArchiveContent {
  const total = fstatSync(fd).size;
  const progress = { consumed: 0 };
  return {
    chunks: kind === "gzip" ? gunzip(fd, progress) : unzstd(path, fd, total, progress),
    where: () => `${path} · near byte ${progress.consumed} of ${total}`,
  };
}

async function* gunzip(fd: number, progress: { consumed: number }): AsyncIterable<Uint8Array> {
  const { createGunzip } = await import("node:zlib");
  yield* through(createGunzip({ chunkSize: CHUNK }), fd, 0, progress);
}

const ZSTD_MAGIC = 0xfd2fb528 | 0;
const isSkippableFrame = (magic: number) => (magic & 0xfffffff0) === 0x184d2a50;

/** Frame by frame, because Node's decompressor ends quietly after the first one, and pzstd writes many. */
async function* unzstd(
  path: string,
  fd: number,
  total: number,
  progress: { consumed: number },
): AsyncIterable<Uint8Array> {
  const { createZstdDecompress } = await import("node:zlib");
  if (typeof createZstdDecompress !== "function") {
    throw new MendError("unsupported", `"${path}" is compressed with zstd, which this version of Node cannot read`, {
      hint: "use Node 22.15 or newer, or decompress it first with: zstd -d FILE",
    });
  }
  const header = Buffer.alloc(8);
  for (let position = 0; position < total; progress.consumed = position) {
    const have = readSync(fd, header, 0, 8, position);
    const magic = have >= 4 ? header.readInt32LE(0) : 0;
    if (have === 8 && isSkippableFrame(magic)) {
      position += 8 + header.readUInt32LE(4);
      if (position > total) throw Object.assign(new Error("unexpected end of file"), { code: "Z_BUF_ERROR" });
      continue;
    }
    if (magic !== ZSTD_MAGIC) throw Object.assign(new Error("no zstd frame here"), { code: "Z_DATA_ERROR" });
    const frame = createZstdDecompress({ chunkSize: CHUNK });
    yield* through(frame, fd, position, progress);
    position += frame.bytesWritten;
  }
}

/** The file from `start` on through a decompressor. `bytesWritten` of a zlib stream is what it consumed. */
async function* through(
  decompressor: Gunzip | ZstdDecompress,
  fd: number,
  start: number,
  progress: { consumed: number },
): AsyncIterable<Uint8Array> {
  const source = Readable.from(fileChunks(fd, start), { objectMode: false });
  source.on("error", (error) => decompressor.destroy(error));
  source.pipe(decompressor);
  try {
    for await (const chunk of decompressor) {
      progress.consumed = start + decompressor.bytesWritten;
      yield chunk;
    }
  } finally {
    progress.consumed = start + decompressor.bytesWritten;
    source.destroy();
  }
}

/** Not `createReadStream`: destroying one closes a descriptor that is not its own. */
async function* fileChunks(fd: number, start: number): AsyncIterable<Uint8Array> {
  for (let position = start; ; ) {
    const { bytesRead, buffer } = await readAt(fd, new Uint8Array(CHUNK), 0, CHUNK, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

interface CopyContext {
  readonly path: string;
  readonly directory: string;
  readonly options: ArchiveOptions;
}

/** Writes the content to `target` and returns its size, never filling the disk: an archive can hold far more than it seems to. */
async function copy(content: ArchiveContent, target: number, context: CopyContext): Promise<number> {
  const { path, directory, options } = context;
  const limit = options.mostBytes ?? freeBytes(directory) * SHARE_OF_FREE_SPACE;
  if ((content.claimedSize ?? 0) > limit) throw noSpace(context, limit);
  let size = 0;
  try {
    for await (const chunk of content.chunks) {
      options.signal?.throwIfAborted();
      if (size + chunk.length > limit) throw noSpace(context, limit);
      writeFully(target, chunk, size);
      size += chunk.length;
      options.onProgress?.(size);
    }
  } catch (error) {
    if (error instanceof MendError || options.signal?.aborted) throw error;
    const code = errorCode(error);
    if (code === "ENOSPC" || code === "EDQUOT") throw noSpace(context, limit, error);
    if (/^E[A-Z]+$/.test(code)) {
      throw new MendError("io", `cannot decompress "${path}": ${code}`, { where: content.where(), cause: error });
    }
    const truncated = code === "Z_BUF_ERROR";
    throw new MendError("archive-invalid", `"${path}" is ${truncated ? "truncated" : `damaged: ${messageOf(error)}`}`, {
      where: content.where(),
      hint: /windowTooLarge/.test(code)
        ? "decompress it first with: zstd -d --long=31 FILE"
        : "copy the archive again from where it was made, or use another backup",
      cause: error,
    });
  }
  return size;
}

function freeBytes(directory: string): number {
  const space = statfsSync(directory);
  return space.bavail * space.bsize;
}

function noSpace({ path, directory }: CopyContext, limit: number, cause?: unknown): MendError {
  return new MendError(
    "no-space",
    `no space in "${directory}" to decompress "${path}": it holds more than the ${(limit / 2 ** 20).toFixed(0)} MiB that are free`,
    { hint: "set TMPDIR to a directory with more space, or decompress the archive yourself", cause },
  );
}

/** A tar archive inside (`.tar.gz`) would else be called a damaged snapshot. The magic is at byte 257 (POSIX ustar). */
function rejectTar(fd: number, path: string): void {
  const magic = Buffer.alloc(5);
  readSync(fd, magic, 0, 5, 257);
  if (magic.toString("latin1") !== "ustar") return;
  throw new MendError("archive-invalid", `"${path}" holds a tar archive, expected a snapshot`, {
    hint: "unpack it with tar, and pass the snapshot file that is in it",
  });
}

const errorCode = (error: unknown): string => {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return typeof code === "string" ? code : messageOf(error);
};
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
