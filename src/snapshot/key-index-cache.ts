/**
 * Key indexes of large snapshot files that were read before, so that the next look-up reads a few pages instead of the
 * whole file. One is used only where it provably belongs to the file (`io/files/file-identity.ts`), and what is read
 * by it is compared with it. Without one, or with a doubt, the file is swept. docs/adr/0235.
 */
import { realpathSync } from "node:fs";
import { dirname, resolve, sep } from "node:path";
import { MendError } from "../errors/errors.ts";
import { systemCode } from "../errors/system-error.ts";
import { removeCacheFile, writeCacheFile } from "../io/files/durable/cache-file.ts";
import { type FileSystem, realFileSystem } from "../io/files/durable/file-system.ts";
import { type FileIdentity, fileIdentity } from "../io/files/file-identity.ts";
import type { FileSource } from "../io/files/file-source.ts";
import { openOwnFile } from "../io/files/own-file.ts";
import { type IndexResult, type KeySelection, selectEntries } from "../mvcc/index-task.ts";
import { encodeStoredIndex, openStoredIndex, type StoredIndex } from "../mvcc/stored-index.ts";
import type { SnapshotFile } from "./snapshot-file.ts";

export interface KeyIndexOptions {
  /** Where the indexes are kept: ours alone, and no directory that a snapshot lies in. */
  readonly directory: string;
  /** Smaller files are swept as fast as an index is read; 64 MiB unless given. */
  readonly leastBytes?: number;
  /** What all of them may take; 1 GiB unless given. */
  readonly mostBytes?: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Called where an index could not be kept or not be used, which fails nothing. */
  readonly onUnused?: (why: string) => void;
  readonly fileSystem?: FileSystem;
}

export interface KeyIndexCache {
  /** Whether an index of the file was found. */
  readonly found: boolean;
  /** The selected entries; undefined where no index is there, or it is damaged. */
  find(select: readonly KeySelection[], labelled: boolean): IndexResult | undefined;
  readonly lastRevision: number | undefined;
  /** Keeps an index of every key, which a sweep without any finding has made. */
  keep(result: IndexResult): void;
  /** Removes the index: it does not belong to the file after all. */
  discard(): void;
  close(): void;
}

const LEAST_BYTES = 64 << 20;
const MOST_BYTES = 1 << 30;
const SUFFIX = ".keys";

/** Undefined where none is to be kept: a small file, an archive or a moment, a file that nothing identifies. */
export function openKeyIndexCache(file: SnapshotFile, options: KeyIndexOptions): KeyIndexCache | undefined {
  const { directory, leastBytes = LEAST_BYTES, now } = options;
  if (file.archive !== undefined || file.vouched === true || file.source.size < leastBytes) return undefined;
  const identify = (): FileIdentity | undefined => fileIdentity(file.descriptor, file.source, now());
  const identity = identify();
  if (identity === undefined || isBeside(directory, file.path)) return undefined;
  const name = identity.place + SUFFIX;
  let source: FileSource | undefined;
  let stored: StoredIndex | undefined;
  let made: IndexResult | undefined;
  const forget = (): void => {
    source?.close();
    source = undefined;
    stored = undefined;
  };
  quietly(options, () => {
    source = openOwnFile(directory, name);
    stored = source && openStoredIndex(source);
    if (stored?.identity !== identity.text) forget();
  });
  const discard = (): void => {
    forget();
    quietly(options, () => removeCacheFile(options.fileSystem ?? realFileSystem, directory, name));
  };
  return {
    get found() {
      return stored !== undefined;
    },
    get lastRevision() {
      return (made ?? stored)?.lastRevision;
    },
    find(select, labelled) {
      if (made !== undefined) return selectEntries(made, select, labelled);
      if (stored === undefined) return undefined;
      const result = stored.find(select, labelled);
      if (result === undefined) discard();
      return result;
    },
    keep(result) {
      made = result;
      if (identify()?.text !== identity.text) return; // it was changed while it was read
      quietly(options, () => {
        const { mostBytes = MOST_BYTES, fileSystem = realFileSystem } = options;
        const pieces = encodeStoredIndex(result, identity.text);
        writeCacheFile(fileSystem, directory, name, pieces, { command: "key index", mostBytes, suffix: SUFFIX });
      });
    },
    discard,
    close: forget,
  };
}

/** Whether the directory is the one of the file, or one around it: nothing is written beside the evidence. */
function isBeside(directory: string, path: string): boolean {
  const real = (each: string): string => {
    try {
      return realpathSync(each);
    } catch {
      return resolve(each); // not made yet
    }
  };
  const [own, evidence] = [real(directory), real(dirname(resolve(path)))];
  return own === evidence || `${evidence}${sep}`.startsWith(`${own}${sep}`);
}

/** Runs what may fail without consequence. */
function quietly({ onUnused }: KeyIndexOptions, run: () => void): void {
  try {
    run();
  } catch (error) {
    const isOutside = systemCode(error) !== undefined || (error instanceof MendError && error.code !== "internal");
    if (!isOutside || !(error instanceof Error)) throw error;
    if (!(error instanceof MendError && error.code === "not-found")) onUnused?.(error.message);
  }
}
