/**
 * Stands in for `checksum/crc32c.ts` in the single executable. The native module is inside it as an asset, and a loader
 * takes files only: the asset goes to a private file that is gone as soon as it is loaded. Where that is not allowed
 * (`/tmp` mounted noexec or read-only) the tables do the same work, more slowly.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { getRawAsset } from "node:sea";
import { crc32cByTable } from "../checksum/crc32c-table.ts";

/** The asset's name, as tools/build-executable.ts puts it in. */
const ASSET = "crc32.node";

/** Of the ASCII digits 1 to 9. */
const CHECK_VALUE = 0xe3069283;

type Crc32c = (data: Uint8Array, initial?: number) => number;

let implementation: Crc32c | undefined;

export function crc32c(data: Uint8Array, initial?: number): number {
  implementation ??= loadNative() ?? crc32cByTable;
  return implementation(data, initial);
}

/** Undefined where it cannot be loaded. Each thread loads its own. */
function loadNative(): Crc32c | undefined {
  const module: { exports: { crc32c?: Crc32c } } = { exports: {} };
  let directory: string | undefined;
  try {
    directory = mkdtempSync(join(tmpdir(), "kubemend-")); // 0700
    const file = join(directory, ASSET);
    writeFileSync(file, new Uint8Array(getRawAsset(ASSET)), { flag: "wx", mode: 0o700 });
    process.dlopen(module, file, constants.dlopen.RTLD_NOW);
  } catch {
    return undefined; // the tables need no file
  } finally {
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  }
  const { crc32c: native } = module.exports;
  return native?.(Buffer.from("123456789")) === CHECK_VALUE ? native : undefined;
}
