/**
 * Gathers the keys that every cluster has from the leaves of the `key` bucket, in any order: `findEtcdPrefixes` tells
 * from them where clusters live.
 */
import type { RevisionVisitor } from "../mvcc/leaf-revisions.ts";
import { isPrefixSign } from "./etcd-prefix.ts";

export interface SignTask {
  readonly visit: RevisionVisitor;
  finish(): readonly Uint8Array[];
}

/** A hostile file may repeat them. */
const MOST_SIGNS = 10_000;

export function createSignTask(): SignTask {
  const signs: Uint8Array[] = [];
  return {
    visit({ page, fields: { keyStart, keyEnd } }) {
      if (!isPrefixSign(page.bytes, keyStart, keyEnd) || signs.length >= MOST_SIGNS) return;
      signs.push(page.bytes.slice(keyStart, keyEnd));
    },
    finish: () => signs,
  };
}
