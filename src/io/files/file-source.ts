/** A file as a {@link ByteSource}: positional reads on a descriptor that was opened read-only. */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import type { ByteSource } from "../../bolt/byte-source.ts";
import { MendError } from "../../errors/errors.ts";
import { fromSystemError, systemCode } from "../../errors/system-error.ts";

export interface FileSource extends ByteSource {
  readonly descriptor: number;
  close(): void;
}

/** Opens a regular file for reading. Throws `not-found`, `permission-denied`, `not-a-file` (a directory, a device, a pipe) or `io`. */
export function openFileSource(path: string): FileSource {
  const descriptor = openForReading(path);
  const stat = fstatSync(descriptor);
  if (!stat.isFile()) {
    closeSync(descriptor);
    throw notAFile(
      path,
      stat.isDirectory(),
      "give the snapshot file; in a data dir of etcd the database is member/snap/db",
    );
  }
  return descriptorSource(descriptor, path, stat.size);
}

/** A descriptor of what is there; no pipe is waited for. Throws `not-found`, `permission-denied`, `io`, `not-a-file` for a socket. */
export function openForReading(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (systemCode(error) === "ENXIO") throw notAFile(path, false); // a socket
    throw fromSystemError(error, "open", path);
  }
}

export function notAFile(path: string, isDirectory: boolean, directoryHint = "give a file"): MendError {
  const found = isDirectory ? "a directory" : "not a regular file";
  const hint = isDirectory ? directoryHint : "copy it to a file first";
  return new MendError("not-a-file", `"${path}" is ${found}`, { where: path, hint });
}

/** A source over the first `size` bytes of a descriptor that is open already; closing the source closes it. */
export function descriptorSource(descriptor: number, name: string, size: number): FileSource {
  return {
    name,
    size,
    descriptor,
    read(target, position) {
      const wanted = Math.max(0, Math.min(target.length, size - position));
      let done = 0;
      try {
        while (done < wanted) {
          const got = readSync(descriptor, target, done, wanted - done, position + done);
          if (got === 0) break;
          done += got;
        }
      } catch (error) {
        throw fromSystemError(error, "read", `${name} at byte ${position + done}`);
      }
      return done;
    },
    close: () => closeSync(descriptor),
  };
}
