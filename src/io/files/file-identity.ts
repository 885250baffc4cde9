/**
 * What tells one content of a file from any other, without reading the file: where it lies, its size, its times to the
 * nanosecond (no program can set the time of the last change, ctime), and the SHA-256 of parts of it: the beginning,
 * where bbolt's metas are, with the number of the last transaction; the end, where `etcdctl snapshot save` puts the
 * SHA-256 of the whole; and pages between. docs/adr/0235 says what this proves.
 */
import { createHash } from "node:crypto";
import { fstatSync, statfsSync } from "node:fs";
import type { ByteSource } from "../../bolt/byte-source.ts";
import { descriptorPath } from "./descriptor-path.ts";

const HEAD_BYTES = 128 << 10;
const SAMPLE_BYTES = 4096;
const SAMPLES = 32;
/** File systems keep times by the tick of a clock, some by two seconds: of what changed just now, the next change may not show. */
const SETTLED_MS = 3000;

/**
 * Local file systems of Linux on which every change of a file changes its ctime (statfs(2), f_type): ext, XFS, btrfs,
 * tmpfs, overlayfs, ZFS, F2FS, bcachefs. Not those of other machines, whose times are kept by them and read late.
 */
const KEEPS_TIMES: ReadonlySet<number> = new Set([
  0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630, 0x2fc12fc1, 0xf2f52010, 0xca451a4e,
]);

/** What stays as long as the content does. */
export interface FileIdentity {
  /** By device and inode: a name for what is kept about the file. */
  readonly place: string;
  readonly text: string;
}

/**
 * Undefined where nothing proves it: on another kind of file system, and for a file that was changed in the last
 * seconds. `source` reads what `descriptor` is open on; `now` is in milliseconds since the epoch.
 */
export function fileIdentity(descriptor: number, source: ByteSource, now: number): FileIdentity | undefined {
  const path = descriptorPath(descriptor);
  if (path === undefined || !KEEPS_TIMES.has(statfsSync(path).type >>> 0)) return undefined;
  const { dev, ino, size, mtimeNs, ctimeNs, ctimeMs } = fstatSync(descriptor, { bigint: true });
  if (now - Number(ctimeMs) < SETTLED_MS) return undefined;
  const place = createHash("sha256").update(`${dev} ${ino}`).digest("hex").slice(0, 32);
  return { place, text: `${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs} ${digestOfParts(source, Number(size))}` };
}

function digestOfParts(source: ByteSource, size: number): string {
  const hash = createHash("sha256");
  const add = (from: number, bytes: number): void => {
    const part = new Uint8Array(bytes);
    hash.update(part.subarray(0, source.read(part, from)));
  };
  add(0, HEAD_BYTES);
  for (let i = 1; i <= SAMPLES; i++) add(Math.floor((size * i) / (SAMPLES + 1)), SAMPLE_BYTES);
  add(Math.max(0, size - SAMPLE_BYTES), SAMPLE_BYTES);
  return hash.digest("hex");
}
