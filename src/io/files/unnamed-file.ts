/** A file that only its descriptor reaches, as a sink: for a database that is put together before it is read. */
import { closeSync, ftruncateSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import type { ByteSink } from "../../bolt/page-output.ts";
import { openUnnamed } from "./archive.ts";
import { fromSystemError } from "./system-error.ts";

export interface UnnamedFile extends ByteSink {
  readonly descriptor: number;
  truncate(size: number): void;
  /** Frees its disk space. */
  close(): void;
}

/** In the system's directory for temporary files (TMPDIR). Throws `io`; writing throws `no-space`. */
export function createUnnamedFile(directory: string = tmpdir()): UnnamedFile {
  const descriptor = openUnnamed(directory);
  return {
    descriptor,
    write(bytes, position) {
      try {
        for (let done = 0; done < bytes.length; ) {
          done += writeSync(descriptor, bytes, done, bytes.length - done, position + done);
        }
      } catch (error) {
        throw fromSystemError(error, "write a temporary file in", directory);
      }
    },
    truncate: (size) => ftruncateSync(descriptor, size),
    close: () => closeSync(descriptor),
  };
}
