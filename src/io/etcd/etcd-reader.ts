/** The keyspace of a live etcd at one revision, in pages that stay small whatever the values' sizes are. */
import { defined } from "../../errors/defined.ts";
import { MendError } from "../../errors/errors.ts";
import type { KeyValue } from "../../mvcc/key-value.ts";
import type { EtcdClient } from "./etcd-client.ts";
import type { RangeAnswer } from "./etcd-range.ts";

export interface EtcdReader {
  readonly endpoint: string;
  readonly revision: number;
  /** Hands over every key-value whose key begins with `prefix`, in the order of the keys; returns how many there are. */
  readBelow(prefix: string, take: (found: KeyValue) => void): Promise<number>;
  /** The keys alone, likewise. */
  keysBelow(prefix: string, take: (key: Uint8Array) => void): Promise<number>;
  read(key: string): Promise<KeyValue | undefined>;
  has(key: string): Promise<boolean>;
  /** The first key from `from` on and before `end`. */
  firstKey(from: Uint8Array, end: Uint8Array): Promise<Uint8Array | undefined>;
}

/** etcd takes values of 1.5 MiB; a first page of as many as this fits into a message even so. */
const FIRST_LIMIT = 32;
const PAGE_BYTES = 4 << 20;
/** A list of keys makes etcd itself read so many bytes of values before it strips them. */
const LIST_BYTES = 64 << 20;
const MOST_KEYS = 20_000;

/** `serializable` reads what this member has, also without a quorum. */
export function createEtcdReader(client: EtcdClient, revision: number, serializable: boolean): EtcdReader {
  const common = { revision, serializable };

  async function ask(from: Uint8Array, end: Uint8Array, limit: number, keysOnly: boolean): Promise<RangeAnswer> {
    const answer = await client.range({ ...common, key: from, end, limit, keysOnly });
    const [first] = answer.keyValues;
    if (answer.keyValues.length > limit || (first !== undefined && Buffer.compare(first.key, from) < 0)) {
      throw new MendError("etcd-refused", `"${client.endpoint}" gives keys that were not asked for`, {
        where: client.endpoint,
        hint: "check that etcd listens there",
      });
    }
    return answer;
  }

  /**
   * For each request etcd counts the keys to the end of the range, whatever the limit: page after page of values would
   * take time by the square of their number. So keys are listed in long pages, and their values asked for by the bounds
   * of short ones.
   */
  async function readBelow(prefix: string, take: (found: KeyValue) => void): Promise<number> {
    const start = new TextEncoder().encode(prefix);
    const end = prefixEnd(start);
    let page = await ask(start, end, FIRST_LIMIT, false);
    let size = takeAll(page.keyValues, take);
    let count = page.keyValues.length;
    while (page.more && page.keyValues.length > 0) {
      page = await ask(keyAfter(defined(page.keyValues.at(-1)).key), end, listLimit(size), true);
      const keys = page.keyValues.map(({ key }) => key);
      for (let at = 0; at < keys.length; ) {
        const chunk = keys.slice(at, at + Math.max(1, Math.floor(PAGE_BYTES / size)));
        const values = await unlessTooLarge(
          ask(defined(chunk[0]), keyAfter(defined(chunk.at(-1))), chunk.length, false),
          chunk.length,
        );
        if (values === undefined) {
          size *= 16;
          continue;
        }
        size = Math.max(takeAll(values.keyValues, take), size / 4); // smaller values are trusted step by step
        at += chunk.length;
      }
      count += keys.length;
    }
    return count;
  }

  async function keysBelow(prefix: string, take: (key: Uint8Array) => void): Promise<number> {
    const start = new TextEncoder().encode(prefix);
    const end = prefixEnd(start);
    let page = await ask(start, end, FIRST_LIMIT, false);
    const limit = listLimit(takeAll(page.keyValues, ({ key }) => take(key)));
    let count = page.keyValues.length;
    while (page.more && page.keyValues.length > 0) {
      page = await ask(keyAfter(defined(page.keyValues.at(-1)).key), end, limit, true);
      for (const { key } of page.keyValues) take(key);
      count += page.keyValues.length;
    }
    return count;
  }

  return {
    endpoint: client.endpoint,
    revision,
    readBelow,
    keysBelow,
    async read(key) {
      const { keyValues } = await client.range({ ...common, key: new TextEncoder().encode(key), limit: 1 });
      return keyValues[0];
    },
    async has(key) {
      const { keyValues } = await client.range({
        ...common,
        key: new TextEncoder().encode(key),
        limit: 1,
        keysOnly: true,
      });
      return keyValues.length > 0;
    },
    async firstKey(from, end) {
      const { keyValues } = await client.range({ ...common, key: from, end, limit: 1, keysOnly: true });
      return keyValues[0]?.key;
    },
  };
}

/** Undefined for an answer that did not fit into a message, where fewer keys may: values of very different sizes were side by side. */
async function unlessTooLarge(asked: Promise<RangeAnswer>, keys: number): Promise<RangeAnswer | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof MendError && error.code === "etcd-refused" && keys > 1) return undefined;
    throw error;
  }
}

/** Returns the mean size of a key-value in bytes. */
function takeAll(keyValues: readonly KeyValue[], take: (found: KeyValue) => void): number {
  let bytes = 0;
  for (const found of keyValues) {
    bytes += found.key.length + found.value.length;
    take(found);
  }
  return Math.max(1, bytes / Math.max(1, keyValues.length));
}

function listLimit(size: number): number {
  return Math.max(FIRST_LIMIT, Math.min(MOST_KEYS, Math.floor(LIST_BYTES / size)));
}

/** The first key after all those that begin with `prefix`. */
function prefixEnd(prefix: Uint8Array): Uint8Array {
  for (let i = prefix.length - 1; i >= 0; i--) {
    if (prefix[i] === 0xff) continue;
    const end = prefix.slice(0, i + 1);
    end[i] = defined(prefix[i]) + 1;
    return end;
  }
  return Uint8Array.of(0); // etcd's word for "to the end"
}

/** The very next key: nothing lies between. */
function keyAfter(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}
