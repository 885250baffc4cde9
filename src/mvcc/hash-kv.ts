/**
 * The hash that etcd's HashKV answers, computed from the entries of the `key` bucket (`hashByRev` in etcd's
 * server/storage/mvcc): CRC-32C over the bucket's name and, in order, every revision and key-value up to a revision,
 * without those at or before the compacted one that a compaction at that revision would remove.
 */
import { crc32c } from "../checksum/crc32c.ts";
import { readBigEndian } from "./revision.ts";

export interface HashKv {
  /** An entry of the bucket; entries come in the order of their keys. */
  add(key: Uint8Array, value: Uint8Array): void;
  readonly hash: number;
}

/**
 * Whether the entry of a revision is the newest version of its key at the hashed revision, and no deletion. Asked for
 * revisions up to the compacted one.
 */
export type IsKept = (main: number, sub: number) => boolean;

export function createHashKv(revision: number, compactRevision: number, isKept: IsKept): HashKv {
  let hash = crc32c(Buffer.from("key"));
  return {
    add(key, value) {
      const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
      const main = readBigEndian(view, 0);
      if (main > revision) return;
      if (main <= compactRevision && !isKept(main, readBigEndian(view, 9))) return;
      hash = crc32c(key, hash);
      hash = crc32c(value, hash);
    },
    get hash() {
      return hash;
    },
  };
}
