/** Bytes on standard output: a pipe or a file of whoever runs this, as it is. */
import { closeSync, constants, openSync, write } from "node:fs";
import { promisify } from "node:util";
import { fromSystemError } from "../../../errors/system-error.ts";

const writeAsync = promisify(write);

export interface StdoutBytes extends Disposable {
  /** Resolves when all of them are taken. */
  write(bytes: Uint8Array): Promise<void>;
}

export function openStdout(): StdoutBytes {
  const own = ownDescriptor();
  const descriptor = own ?? STDOUT;
  return {
    async write(bytes) {
      try {
        for (let done = 0; done < bytes.length; ) {
          done += (await writeAsync(descriptor, bytes, done, bytes.length - done, null)).bytesWritten;
        }
      } catch (error) {
        throw fromSystemError(error, "write", "standard output");
      }
    },
    [Symbol.dispose]() {
      if (own !== undefined) closeSync(own);
    },
  };
}

const STDOUT = 1;

/** One that only this writes to; undefined where the system has no path for it. */
function ownDescriptor(): number | undefined {
  try {
    return openSync("/dev/stdout", constants.O_WRONLY | constants.O_APPEND);
  } catch {
    return undefined;
  }
}
