/** An entry for a revision whose keys were left out: a tombstone of a key that nobody has, so that the revision does not go back. */
import { encodeKeyValue } from "./key-value.ts";
import { encodeRevision } from "./revision.ts";

export function revisionPlaceholder(revision: number): readonly [key: Uint8Array, value: Uint8Array] {
  const nobody = { value: new Uint8Array(0), createRevision: 0, modRevision: 0, version: 0, lease: 0n };
  const key = encodeRevision({ main: revision, sub: 0, tombstone: true });
  return [key, encodeKeyValue({ ...nobody, key: Buffer.from("\0kubemend/revision") })];
}
