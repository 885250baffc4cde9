/** A file that only its descriptor reaches, as a sink: for a database that is put together before it is read. */
import { closeSync, ftruncateSync, openSync, unlinkSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ByteSink } from "../../../bolt/page-output.ts";
import { MendError } from "../../../errors/errors.ts";
import { fromSystemError, systemCode } from "../../../errors/system-error.ts";
import { checkDiskSpace } from "./disk-space.ts";

export interface DatabaseFile extends ByteSink {
  /** Open for reading too. */
  readonly descriptor: number;
  truncate(size: number): void;
  /** Of a file without a name: frees its disk space. */
  close(): void;
}

/**
 * In the system's directory for temporary files (TMPDIR), for about so many bytes. Throws `io`, and `no-space` where they
 * do not fit; writing throws it too.
 */
export function createUnnamedFile(bytes = 0, directory: string = tmpdir()): DatabaseFile {
  checkDiskSpace(directory, bytes);
  const descriptor = openUnnamed(directory);
  return {
    descriptor,
    write(bytes, position) {
      try {
        writeFully(descriptor, bytes, position);
      } catch (error) {
        throw fromSystemError(error, "write a temporary file in", directory);
      }
    },
    truncate: (size) => ftruncateSync(descriptor, size),
    close: () => closeSync(descriptor),
  };
}

/** Throws what the system says. */
export function writeFully(descriptor: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(descriptor, bytes, done, bytes.length - done, position + done);
  }
}

/**
 * A new file that only its descriptor reaches. Its name is there for a moment and need not be a secret: a file or a link
 * that has it already is refused. So `node:crypto`, which takes milliseconds to load, is not asked for one.
 */
export function openUnnamed(directory: string): number {
  const path = join(directory, `kubemend-${process.pid}-${Math.random().toString(36).slice(2)}`);
  try {
    const descriptor = openSync(path, "wx+", 0o600);
    unlinkSync(path);
    return descriptor;
  } catch (cause) {
    const code = systemCode(cause) ?? String(cause);
    throw new MendError("io", `cannot make a temporary file in "${directory}": ${code}`, {
      hint: "set TMPDIR to a directory that you may write to, with space for the decompressed snapshot",
      cause,
    });
  }
}
