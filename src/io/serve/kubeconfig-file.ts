/** Where the kubeconfig of a server is written: a file that only its owner can read, and that goes away with the server. */
import { join } from "node:path";
import { realFileSystem } from "../files/durable/file-system.ts";
import { makeTemporaryDirectory } from "../files/durable/temporary-directory.ts";

export interface KubeconfigFile {
  readonly path: string;
  remove(): void;
}

/** At `path`, which must not be there yet, or in a directory of its own. */
export function writeKubeconfig(text: string, path: string | undefined): KubeconfigFile {
  if (path !== undefined) {
    write(path, text);
    return { path, remove: () => realFileSystem.remove(path) };
  }
  const directory = makeTemporaryDirectory("kubemend-serve-");
  const remove = (): void => directory[Symbol.dispose]();
  try {
    const file = join(directory.path, "kubeconfig");
    write(file, text);
    return { path: file, remove };
  } catch (error) {
    remove();
    throw error;
  }
}

function write(path: string, text: string): void {
  const file = realFileSystem.create(path, 0o600);
  try {
    file.write(Buffer.from(text), 0);
  } finally {
    file.close();
  }
}
