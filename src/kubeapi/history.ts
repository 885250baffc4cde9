/**
 * kubeapi: the keyspace of a cluster and a request in, the answer that an API server would give out. Nothing here reads
 * a file or a socket: this file says what is needed of a keyspace, `answer.ts` is the front door, `catalog.ts` knows
 * which resources there are, and the other files are one kind of answer each (discovery, lists, tables, watches,
 * schemas, reviews). Source: the Kubernetes API conventions and k8s.io/apiserver.
 */
import type { DecodedValue } from "../kube/object.ts";

/** Every revision of a keyspace. Keys are numbered in byte order, rows are revisions of keys. */
export interface KeyspaceHistory {
  /** Earlier revisions were compacted away. */
  readonly firstRevision: number;
  readonly lastRevision: number;
  /** The numbers [from, to) of the keys that begin with `prefix`. */
  range(prefix: string): readonly [from: number, to: number];
  /** The number of exactly this key, or -1. */
  find(key: string): number;
  key(number: number): string;
  /** The row that shows a key at a revision, or -1 where it was not there. */
  rowAt(key: number, revision: number): number;
  /** The rows of a key, the oldest first; deletions are rows too. */
  rowsOf(key: number): readonly number[];
  /** How many rows a key has. */
  rowCount(key: number): number;
  /** The rows of all keys after a revision, the oldest first. */
  rowsAfter(revision: number): Iterable<number>;
  keyOfRow(row: number): number;
  revisionOf(row: number): number;
  isDeletion(row: number): boolean;
  /** The value's size in bytes. */
  sizeOf(row: number): number;
  /** The bytes of a row's value as they are stored; undefined where they cannot be read. A view that the next read may overwrite. */
  raw(row: number): Buffer | undefined;
  /** Reads and decodes a row's value, its metadata with the row's revision. Not for deletions. */
  decode(row: number): DecodedValue;
}
