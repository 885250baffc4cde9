/** The newest revision of a database, by the last key of its keyspace. */
import type { BoltFile } from "../bolt/bolt.ts";
import { readLastKey } from "../bolt/edit.ts";
import { decodeRevision } from "./revision.ts";

/** etcd begins to count at 1: that is the revision of a keyspace in which nothing was ever written. Throws `snapshot-damaged`. */
export function newestRevision(bolt: BoltFile): number {
  const key = readLastKey(bolt, "key");
  return key === undefined ? 1 : (decodeRevision(key)?.main ?? 1);
}
