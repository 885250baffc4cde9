/**
 * mvcc: etcd's keyspace as it lies in a bbolt file. This file holds revisions; `key-value.ts` one version of a key,
 * `leaf-revisions.ts` reads both off a leaf page, `key-index.ts` finds the newest version of each key, `store-info.ts`
 * reads the small buckets (meta, members, leases, alarms, auth).
 *
 * A revision is the key of an entry in the `key` bucket (server/storage/mvcc/revision.go): `main u64` big-endian, "_",
 * `sub u64` big-endian, and "t" behind it for a tombstone. `main` counts transactions, `sub` the changes within one.
 */

export const REVISION_SIZE = 17;
export const TOMBSTONE_SIZE = 18;
const UNDERSCORE = 0x5f;
const TOMBSTONE_MARK = 0x74;

export interface Revision {
  readonly main: number;
  readonly sub: number;
  readonly tombstone: boolean;
}

/** Decodes a revision; undefined where the bytes are none, or beyond 2^53. */
export function decodeRevision(key: Uint8Array): Revision | undefined {
  if (key.length !== REVISION_SIZE && !(key.length === TOMBSTONE_SIZE && key[REVISION_SIZE] === TOMBSTONE_MARK))
    return undefined;
  if (key[8] !== UNDERSCORE) return undefined;
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  const main = readBigEndian(view, 0);
  const sub = readBigEndian(view, 9);
  if (main > Number.MAX_SAFE_INTEGER || sub > Number.MAX_SAFE_INTEGER) return undefined;
  return { main, sub, tombstone: key.length === TOMBSTONE_SIZE };
}

/** The inverse of {@link decodeRevision}. */
export function encodeRevision(revision: Revision): Uint8Array {
  const key = new Uint8Array(revision.tombstone ? TOMBSTONE_SIZE : REVISION_SIZE);
  key[8] = UNDERSCORE;
  writeBigEndian(key, 0, revision.main);
  writeBigEndian(key, 9, revision.sub);
  if (revision.tombstone) key[REVISION_SIZE] = TOMBSTONE_MARK;
  return key;
}

/** A whole number of at most 2^53 - 1, as eight bytes. */
function writeBigEndian(bytes: Uint8Array, at: number, value: number): void {
  for (let i = at + 7, left = value; left > 0; i--) {
    bytes[i] = left % 256;
    left = Math.floor(left / 256);
  }
}

/** An unsigned 64-bit integer; beyond 2^53 approximate, which is enough to see that it is too large. */
export function readBigEndian(view: DataView, at: number): number {
  return view.getUint32(at) * 0x1_0000_0000 + view.getUint32(at + 4);
}
