/** Reads the API server's EncryptionConfiguration file, for operations that decrypt what is encrypted at rest. */
import { readTextFile } from "../io/files/read-file.ts";
import { type EncryptionConfig, parseEncryptionConfig } from "../storage/encryption-config.ts";

/** Throws `encryption-config-invalid` with the place in the file, or as reading a file does. Without a path there is nothing to read. */
export function loadEncryptionConfig(path: string | undefined): EncryptionConfig | undefined {
  return path === undefined ? undefined : parseEncryptionConfig(readTextFile(path), path);
}
