/** Reads a file that the user gave on the command line and that ought to be small: a kubeconfig, an EncryptionConfiguration. */
import { open } from "node:fs/promises";
import { MendError } from "../errors.ts";
import { fromSystemError } from "./system-error.ts";

const MOST_BYTES = 4 << 20;

/** Read-only, whole. `what` names it in messages, such as `kubeconfig`. */
export async function readInputFile(path: string, what: string): Promise<Uint8Array> {
  try {
    const file = await open(path, "r");
    try {
      const { size } = await file.stat();
      if (size > MOST_BYTES) {
        throw new MendError("config-invalid", `"${path}" is no ${what}: it has ${size} bytes`, {
          where: path,
          hint: "check the path",
        });
      }
      return new Uint8Array(await file.readFile());
    } finally {
      await file.close();
    }
  } catch (error) {
    throw fromSystemError(error, `read the ${what}`, path);
  }
}
