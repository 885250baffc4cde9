/** Where the kubeconfig of a server is written: a file that only its owner can read, and that goes away with the server. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromSystemError } from "../files/system-error.ts";

export interface KubeconfigFile {
  readonly path: string;
  remove(): void;
}

/** At `path`, which must not be there yet, or in a directory of its own. */
export function writeKubeconfig(text: string, path: string | undefined): KubeconfigFile {
  let directory: string | undefined;
  const where = path ?? tmpdir();
  try {
    directory = path === undefined ? mkdtempSync(join(tmpdir(), "kubemend-serve-")) : undefined; // 0700
    const file = path ?? join(directory!, "kubeconfig");
    writeFileSync(file, text, { mode: 0o600, flag: "wx" });
    return { path: file, remove: () => rmSync(directory ?? file, { recursive: true, force: true }) };
  } catch (error) {
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
    throw fromSystemError(error, "write", where);
  }
}
