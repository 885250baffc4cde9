/**
 * CRC-32C (Castagnoli), which etcd's log and hashes use: by the processor's instruction where the native module of this
 * platform is installed, or else by tables, with the same result. npm leaves the module out by `--omit=optional`, and in
 * a `node_modules` that was installed on another platform there is another one. In the single executable
 * `executable/crc32c.ts` takes the place of this file.
 */
import { createRequire } from "node:module";
import { crc32cByTable } from "./crc32c-table.ts";

type Crc32c = (data: Uint8Array, initial?: number) => number;

let implementation: Crc32c | undefined;

/** The checksum of `data`, going on from the checksum `initial` of what came before it. */
export function crc32c(data: Uint8Array, initial?: number): number {
  implementation ??= loadNative() ?? crc32cByTable;
  return implementation(data, initial);
}

/** Of the ASCII digits 1 to 9. */
const CHECK_VALUE = 0xe3069283;

/** Undefined where it cannot be loaded, or does not what it should. Each thread loads its own. */
function loadNative(): Crc32c | undefined {
  try {
    const native: typeof import("@node-rs/crc32") = createRequire(import.meta.url)("@node-rs/crc32");
    return native.crc32c(Buffer.from("123456789")) === CHECK_VALUE ? native.crc32c : undefined;
  } catch {
    return undefined; // the tables need no module
  }
}
