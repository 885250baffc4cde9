/** Reads small text files whole: configuration, kubeconfigs, manifests. */
import { MendError } from "../../errors/errors.ts";
import { openFileSource } from "./file-source.ts";

/** A larger configuration file is a mistake, such as a snapshot given in its place. */
const MOST_BYTES = 16 << 20;

/** The text of a regular file. Throws as `openFileSource` does, and `not-a-file` for one that is too large or not UTF-8. */
export function readTextFile(path: string, mostBytes = MOST_BYTES): string {
  const file = openFileSource(path);
  try {
    if (file.size > mostBytes) {
      throw new MendError("not-a-file", `"${path}" has ${file.size} bytes, too many for a text file`, {
        where: path,
        hint: "check which file you gave",
      });
    }
    const bytes = new Uint8Array(file.size);
    file.read(bytes, 0);
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) {
      throw new MendError("not-a-file", `"${path}" is not a text file`, {
        where: path,
        hint: "check which file you gave",
        cause: error,
      });
    }
    throw error;
  } finally {
    file.close();
  }
}
