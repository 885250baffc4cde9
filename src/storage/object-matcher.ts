/** Finds out of a key's bytes which resource it is of, millions of times: paths are looked up, not decoded. */
import { hashSeed } from "../mvcc/hash-seed.ts";
import { RESOURCE_TYPES, readObjectKey } from "./object-key.ts";
import { isInScope, type ObjectScope } from "./object-scope.ts";

const SLASH = 0x2f;
const DOT = 0x2e;
/** More paths than any cluster has; in a hostile file the others are decoded each time. */
const MOST_KNOWN = 4096;

/** The beginning of keys, after the prefix, and what it says of them. */
interface KnownHead {
  readonly bytes: Uint8Array;
  readonly path: string;
  /** Where the rest begins, from the beginning of the head. */
  readonly restAt: number;
  /** Whether its objects are in the scope; undefined where that depends on the rest. */
  readonly isIn: boolean | undefined;
}

export interface MatchedKey {
  readonly path: string;
  /** Where the rest begins in the bytes. */
  readonly rest: number;
}

/**
 * Makes a function that says of the key `bytes[start, end)` where it is, or undefined where it is no object below
 * `prefix` (without a slash at its end) or not in the scope. The result is valid until the next call.
 */
export function createObjectMatcher(
  prefix: string,
  scope: ObjectScope,
): (bytes: Uint8Array, start: number, end: number) => MatchedKey | undefined {
  const before = new TextEncoder().encode(`${prefix}/`);
  const decoder = new TextDecoder();
  const seed = hashSeed();
  const paired = firstsOfPairs(seed);
  const known = new Map<number, KnownHead[]>();
  let count = 0;
  const found = { path: "", rest: 0 };

  const learn = (bytes: Uint8Array, start: number, headEnd: number, end: number, hash: number): KnownHead => {
    const at = start + before.length;
    // Whatever follows the head, the path is the same.
    const { path } = readObjectKey(decoder.decode(bytes.subarray(start, end)), prefix) ?? { path: "" };
    const whole = path.includes("/") ? -1 : bytes.subarray(at, headEnd).indexOf(SLASH);
    const head: KnownHead = {
      bytes: bytes.slice(at, headEnd),
      path,
      restAt: (whole < 0 ? headEnd - at : whole) + 1,
      isIn: isPathInScope(scope, path),
    };
    if (count < MOST_KNOWN) {
      count++;
      const list = known.get(hash);
      if (list === undefined) known.set(hash, [head]);
      else list.push(head);
    }
    return head;
  };

  return (bytes, start, end) => {
    const at = start + before.length;
    if (at >= end) return undefined;
    for (let i = before.length - 1; i >= 0; i--) if (bytes[start + i] !== before[i]) return undefined;
    let hash = seed | 0;
    let isGroup = false;
    let headEnd = at;
    for (; headEnd < end && bytes[headEnd] !== SLASH; headEnd++) {
      if (bytes[headEnd] === DOT) isGroup = true;
      hash = Math.imul(hash ^ bytes[headEnd]!, HASH_FACTOR);
    }
    if (headEnd === end) return undefined;
    if (isGroup || paired.has(hash)) {
      let both = Math.imul(hash ^ SLASH, HASH_FACTOR);
      let second = headEnd + 1;
      for (; second < end && bytes[second] !== SLASH; second++) both = Math.imul(both ^ bytes[second]!, HASH_FACTOR);
      if (second < end) {
        hash = both;
        headEnd = second;
      }
    }
    const head = findHead(known.get(hash), bytes, at, headEnd) ?? learn(bytes, start, headEnd, end, hash);
    const rest = at + head.restAt;
    if (rest >= end || head.isIn === false) return undefined;
    if (head.isIn === undefined && !isInScope(scope, head.path, decoder.decode(bytes.subarray(rest, end))))
      return undefined;
    found.path = head.path;
    found.rest = rest;
    return found;
  };
}

const HASH_FACTOR = 0x01000193;

/** The hashes of the first parts of built-in paths that have two, such as `services/specs`. */
function firstsOfPairs(seed: number): ReadonlySet<number> {
  const pairs = RESOURCE_TYPES.filter(({ path }) => path.includes("/"));
  return new Set(
    pairs.map(({ path }) => {
      let hash = seed | 0;
      for (const byte of Buffer.from(path.slice(0, path.indexOf("/")))) hash = Math.imul(hash ^ byte, HASH_FACTOR);
      return hash;
    }),
  );
}

function findHead(
  list: readonly KnownHead[] | undefined,
  bytes: Uint8Array,
  at: number,
  end: number,
): KnownHead | undefined {
  if (list === undefined) return undefined;
  for (const head of list) {
    if (head.bytes.length !== end - at) continue;
    let i = 0;
    while (i < head.bytes.length && head.bytes[i] === bytes[at + i]) i++;
    if (i === head.bytes.length) return head;
  }
  return undefined;
}

function isPathInScope({ resources, namespace }: ObjectScope, path: string): boolean | undefined {
  const own = resources.filter((each) => each.path === path);
  if (resources.length > 0 && own.length === 0) return false;
  if (namespace !== undefined || own.some(({ names }) => names.length > 0)) return undefined;
  return true;
}
