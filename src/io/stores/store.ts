/**
 * stores: the places where a repository's objects lie. A store is a flat set of named objects that are written once;
 * one file a kind of store.
 */

export interface StoredObject {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** When it was written, in milliseconds, by the store's clock. */
  readonly modified: number;
}

export interface ByteRange {
  readonly from: number;
  readonly size: number;
}

/**
 * What became of an object that was to be removed: gone; hidden by a marker in a bucket that keeps versions, where its
 * bytes stay; or left as it was, because the store keeps it until its retention has ended.
 */
export type Removal = "removed" | "hidden" | "locked";

/**
 * All functions throw a `MendError`: `not-found` for an object that is not there, `store-unreachable` for what may work
 * later, `store-refused` for what will not.
 */
export interface Store {
  /** As users write it, without a slash at its end. */
  readonly url: string;
  /** Whether a second object of a name is refused by the store itself. */
  readonly exclusive: boolean;
  /**
   * The objects whose names begin with `prefix` and come after `after`, in the order of their names. A listing may lag
   * behind what was written.
   */
  list(prefix: string, after?: string): AsyncIterable<StoredObject>;
  /** Names of the folders at the top, as `list` would show them before a slash, ascending. */
  folders(): Promise<string[]>;
  /** The whole object, or what there is of a range of it. */
  read(name: string, range?: ByteRange): Promise<Uint8Array>;
  /** A large object piece by piece; each is valid until the next. */
  stream(name: string): AsyncIterable<Uint8Array>;
  /** Writes a small object whole or not at all. False where there is one of that name, which is left as it is. */
  create(name: string, bytes: Uint8Array): Promise<boolean>;
  /** Writes a large object, whole or not at all. The name is one that nobody else makes. */
  upload(name: string, content: AsyncIterable<Uint8Array>): Promise<void>;
  /** An object that is not there counts as removed. */
  remove(name: string): Promise<Removal>;
  close(): Promise<void>;
}
