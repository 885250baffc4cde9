/**
 * Opens a snapshot: the file that `snapshot save` wrote (a bbolt file and the SHA-256 of it, 32 bytes), a raw copy of
 * `member/snap/db` (no hash), or either in an archive. The file is opened read-only and never changed.
 */
import type { ByteSource } from "../bolt/byte-source.ts";
import { recordEvidence } from "../io/audit/audit-trail.ts";
import { type ArchiveKind, openArchive } from "../io/files/archive.ts";
import { descriptorSource, openFileSource } from "../io/files/file-source.ts";

const SHA256_SIZE = 32;
/** bbolt files grow by pages, so the remainder tells a file with a hash from one without, as etcd itself tells them apart. */
const SECTOR = 512;

export interface SnapshotFile {
  /** As the user gave it. */
  readonly path: string;
  /** The database alone, without the hash at its end. */
  readonly source: ByteSource;
  /** Where the database lies on disk, for threads to open it again: a path of /proc where it came out of an archive and has no name. */
  readonly descriptor: number;
  /** The SHA-256 that the file carries, or undefined for a raw copy. */
  readonly storedHash: Uint8Array | undefined;
  /** Whether what it was made from was checked against hashes of its own: a moment of a backup repository. */
  readonly vouched?: boolean;
  /** What the file came in, or undefined. */
  readonly archive: ArchiveKind | undefined;
  close(): void;
}

export interface OpenSnapshotOptions {
  readonly signal?: AbortSignal;
  /** Called while an archive is unpacked, with the bytes so far. */
  readonly onProgress?: (bytes: number) => void;
}

/**
 * Opens a snapshot file. Throws as {@link openFileSource} and {@link openArchive} do; whether it is a database is for
 * `readBolt` to say.
 */
export async function openSnapshotFile(path: string, options: OpenSnapshotOptions = {}): Promise<SnapshotFile> {
  const file = openFileSource(path);
  let source = file;
  let archive: SnapshotFile["archive"];
  try {
    const unpacked = await openArchive(path, file.descriptor, options);
    if (unpacked !== undefined) {
      file.close();
      source = descriptorSource(unpacked.fd, path, unpacked.size);
      archive = unpacked.kind;
    }
  } catch (error) {
    file.close();
    throw error;
  }
  const hashed = source.size % SECTOR === SHA256_SIZE;
  let storedHash: Uint8Array | undefined;
  if (hashed) {
    storedHash = new Uint8Array(SHA256_SIZE);
    source.read(storedHash, source.size - SHA256_SIZE);
  }
  const size = hashed ? source.size - SHA256_SIZE : source.size;
  const sha256 = storedHash === undefined ? "none: a raw copy" : Buffer.from(storedHash).toString("hex");
  recordEvidence({ snapshot: path, bytes: size, sha256 });
  return {
    path,
    source: descriptorSource(source.descriptor, path, size),
    descriptor: source.descriptor,
    storedHash,
    archive,
    close: source.close,
  };
}
