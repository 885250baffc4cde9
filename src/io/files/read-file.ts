/**
 * Reads small files whole: configuration, kubeconfigs, manifests, keys. A pipe is read too, as a shell gives one for
 * `<(command)`, but what never ends, or where nobody writes, holds no command up.
 */
import { closeSync, fstatSync, readSync } from "node:fs";
import { MendError } from "../../errors/errors.ts";
import { fromSystemError, systemCode } from "../../errors/system-error.ts";
import { descriptorSource, notAFile, openForReading } from "./file-source.ts";

/** A larger configuration file is a mistake, such as a snapshot given in its place. */
const MOST_BYTES = 16 << 20;
const PIPE_CHUNK = 64 << 10;
/** For whoever writes into a pipe, from one piece to the next. */
const PIPE_WAIT_MS = 5000;
const PIPE_POLL_MS = 20;

/** The text of a file. Throws as {@link readBytes} does, and `not-a-file` for one that is not UTF-8. */
export function readTextFile(path: string, mostBytes = MOST_BYTES): string {
  const bytes = readBytes(path, mostBytes);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new MendError("not-a-file", `"${path}" is not a text file`, {
      where: path,
      hint: "check which file you gave",
      cause: error,
    });
  }
}

/**
 * A regular file or a pipe. Throws `not-found`, `permission-denied`, `io`, and `not-a-file` for a directory, a device, a
 * pipe that nobody writes into, and what is too large.
 */
export function readBytes(path: string, mostBytes = MOST_BYTES): Buffer {
  const descriptor = openForReading(path);
  try {
    const stat = fstatSync(descriptor);
    if (stat.isFIFO()) return readPipe(descriptor, path, mostBytes);
    if (!stat.isFile()) throw notAFile(path, stat.isDirectory());
    if (stat.size > mostBytes) throw tooLarge(path, `has ${stat.size} bytes`);
    const bytes = Buffer.alloc(stat.size);
    const got = descriptorSource(descriptor, path, stat.size).read(bytes, 0);
    return bytes.subarray(0, got);
  } finally {
    closeSync(descriptor);
  }
}

function readPipe(descriptor: number, path: string, mostBytes: number): Buffer {
  const pieces: Buffer[] = [];
  let [length, waited] = [0, 0];
  for (;;) {
    const piece = Buffer.alloc(PIPE_CHUNK);
    let got: number;
    try {
      got = readSync(descriptor, piece);
    } catch (error) {
      if (systemCode(error) !== "EAGAIN") throw fromSystemError(error, "read", path);
      if (waited >= PIPE_WAIT_MS) throw silent(path);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PIPE_POLL_MS);
      waited += PIPE_POLL_MS;
      continue;
    }
    if (got === 0) break;
    waited = 0;
    length += got;
    if (length > mostBytes) throw tooLarge(path, `is a pipe with more than ${mostBytes} bytes`);
    pieces.push(piece.subarray(0, got));
  }
  if (length === 0) throw silent(path);
  return Buffer.concat(pieces);
}

function silent(path: string): MendError {
  return new MendError("not-a-file", `"${path}" is a pipe, and nothing comes out of it`, {
    where: path,
    hint: "start what writes into it first, or give a file",
  });
}

function tooLarge(path: string, what: string): MendError {
  return new MendError("not-a-file", `"${path}" ${what}, too many for a text file`, {
    where: path,
    hint: "check which file you gave",
  });
}
