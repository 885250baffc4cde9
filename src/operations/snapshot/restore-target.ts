/**
 * Where the database of a restore goes. That of a moment of a repository is composed at its place in the new data dir;
 * that of a file is copied there.
 */

import { invariant } from "../../errors/errors.ts";
import {
  checkDataDirTarget,
  createDataDirWriter,
  type DataDirTarget,
  type DataDirWriter,
} from "../../io/etcd/data-dir-writer.ts";
import { checkDiskSpace } from "../../io/files/durable/disk-space.ts";
import { type FileSystem, type OutputFile, realFileSystem } from "../../io/files/durable/file-system.ts";
import type { ComposeTarget } from "../../snapshot/compose-moment.ts";
import type { Snapshot } from "../../snapshot/open-snapshot.ts";

export interface RestoreTargetOptions extends DataDirTarget {
  /** Write nothing. */
  readonly dryRun?: boolean;
  readonly fileSystem?: FileSystem;
  readonly signal?: AbortSignal;
}

export interface RestoreTarget extends Disposable {
  /** Opens the data dir and writes a moment into it. */
  readonly composeInto: ComposeTarget;
  /**
   * Opens the data dir, unless {@link composeInto} has; `copiedFrom` is the open file whose content it gets unchanged.
   * Undefined in a dry run. Throws as {@link createDataDirWriter} does, and `no-space`.
   */
  open(bytes: number, copiedFrom?: number): Promise<DataDirWriter | undefined>;
  /**
   * The database at its place and flushed, copied there unless it was composed there. Undefined in a dry run. `watch` is
   * called as `FileSystem.copy` does.
   */
  takeDatabase(snapshot: Snapshot, watch: (piece: Uint8Array) => void): Promise<OutputFile | undefined>;
}

/** So much is given to the disk at a time while more is written: then little is left to flush at the end. */
const FLUSH_BYTES = 64 << 20;

export function createRestoreTarget(options: RestoreTargetOptions): RestoreTarget {
  let writer: DataDirWriter | undefined;
  let composed: OutputFile | undefined;
  let flushing = Promise.resolve();

  async function open(bytes: number, copiedFrom?: number): Promise<DataDirWriter | undefined> {
    if (writer !== undefined) return writer;
    checkDataDirTarget(options);
    checkDiskSpace(options.dataDir, bytes, copiedFrom);
    if (options.dryRun === true) return undefined;
    writer = await createDataDirWriter(options.fileSystem ?? realFileSystem, options, "snapshot restore");
    return writer;
  }

  function flushInBackground(db: OutputFile): void {
    flushing = flushing.then(() => db.sync());
    flushing.catch(() => {}); // thrown by takeDatabase
  }

  return {
    async composeInto(bytes) {
      const directory = await open(bytes);
      invariant(directory !== undefined, "a dry run composes into a temporary file");
      const db = composed ?? directory.createInSnap("db");
      composed = db;
      db.truncate(0);
      let unflushed = 0;
      return {
        descriptor: db.descriptor,
        write(part, position) {
          db.write(part, position);
          unflushed += part.length;
          if (unflushed < FLUSH_BYTES) return;
          unflushed = 0;
          flushInBackground(db);
        },
        truncate: db.truncate,
        close() {}, // the data dir's writer does
      };
    },
    open,
    async takeDatabase(snapshot, watch) {
      if (composed !== undefined) {
        flushInBackground(composed);
        await flushing;
        return composed;
      }
      const db = await writer?.copyToSnap("db", snapshot.file.descriptor, options.signal, watch);
      await db?.sync();
      return db;
    },
    [Symbol.dispose]: () => writer?.[Symbol.dispose](),
  };
}
