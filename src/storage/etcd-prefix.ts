/**
 * Where in etcd a Kubernetes API server keeps its objects (`--etcd-prefix`): `/registry` unless somebody chose otherwise, `/kubernetes.io`
 * in OpenShift 3. The API server joins the flag to "/", so a stored key always starts with one.
 */
import { defined } from "../errors/defined.ts";

/** A prefix under which a cluster seems to live. */
export interface EtcdPrefix {
  /** Without a slash at the end, such as `/registry`. */
  readonly prefix: string;
  /** How many of the keys that every cluster has were there: 1 to {@link PREFIX_SIGNS}`.length`. */
  readonly signs: number;
}

/** Keys that a cluster has from its first start on, below the prefix. The API server itself makes each of them. */
export const PREFIX_SIGNS = [
  "/namespaces/kube-system",
  "/namespaces/default",
  "/namespaces/kube-public",
  "/ranges/serviceips",
  "/ranges/servicenodeports",
  "/services/specs/default/kubernetes",
] as const;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const signBytes = PREFIX_SIGNS.map((sign) => encoder.encode(sign));
/** Whether a sign ends with these two bytes: most keys end with none of the six pairs. */
const mayEnd = new Uint8Array(0x10000);
for (const sign of signBytes) mayEnd[(defined(sign.at(-2)) << 8) | defined(sign.at(-1))] = 1;

/**
 * Every prefix that holds a cluster, the likeliest first; empty when nothing looks like Kubernetes.
 * One pass over the keys, in any order; a key that does not end like a sign costs a comparison or two and no allocation.
 */
export function findEtcdPrefixes(keys: Iterable<Uint8Array>): EtcdPrefix[] {
  const signs = new Map<string, Set<number>>();
  for (const key of keys) {
    for (let i = 0; i < signBytes.length; i++) {
      const sign = defined(signBytes[i]);
      if (!endsWith(key, sign)) continue;
      const prefix = decoder.decode(key.subarray(0, key.length - sign.length));
      const seen = signs.get(prefix) ?? new Set();
      signs.set(prefix, seen.add(i));
    }
  }
  const found = [...signs]
    // A custom resource named "default" in a namespace named "namespaces" looks like one sign; no cluster has only that.
    .filter(([prefix, seen]) => seen.size > 1 || prefix === DEFAULT_ETCD_PREFIX)
    .map(([prefix, seen]) => ({ prefix, signs: seen.size }));
  return found.sort((a, b) => b.signs - a.signs || (a.prefix < b.prefix ? -1 : 1));
}

/**
 * Whether a key, `bytes[start, end)`, ends like one that every cluster has: a sieve for {@link findEtcdPrefixes}, for
 * whoever sees keys one at a time.
 */
export function isPrefixSign(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < 2 || mayEnd[(defined(bytes[end - 2]) << 8) | defined(bytes[end - 1])] === 0) return false;
  for (const sign of signBytes) if (endsWith(bytes, sign, start, end)) return true;
  return false;
}

/** What the API server uses when nobody says otherwise. */
export const DEFAULT_ETCD_PREFIX = "/registry";

/** A prefix as the API server reads its flag: one slash in front, none behind, none doubled. "/" is the empty prefix. */
export function normalizeEtcdPrefix(flag: string): string {
  const parts = flag.split("/").filter((part) => part !== "" && part !== ".");
  return parts.map((part) => `/${part}`).join("");
}

function endsWith(bytes: Uint8Array, end: Uint8Array, from = 0, to = bytes.length): boolean {
  const start = to - end.length;
  if (start < from) return false;
  for (let i = end.length - 1; i >= 0; i--) if (bytes[start + i] !== end[i]) return false;
  return true;
}
