/** The keyspace of a live etcd at one revision, in pages that stay small whatever the values' sizes are. */
import { MendError } from "../errors.ts";
import type { KeyValue } from "../mvcc/key-value.ts";
import type { EtcdClient } from "./etcd-client.ts";

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
const MOST_LIMIT = 2000;
const PAGE_BYTES = 4 << 20;

/** `serializable` reads what this member has, also without a quorum. */
export function createEtcdReader(client: EtcdClient, revision: number, serializable: boolean): EtcdReader {
  const common = { revision, serializable };

  async function pages(prefix: string, keysOnly: boolean, take: (found: KeyValue) => void): Promise<number> {
    let key: Uint8Array = new TextEncoder().encode(prefix);
    const end = prefixEnd(key);
    let limit = keysOnly ? MOST_LIMIT : FIRST_LIMIT;
    let count = 0;
    for (;;) {
      const { keyValues, more } = await client.range({ ...common, key, end, limit, keysOnly });
      let bytes = 1;
      for (const found of keyValues) {
        bytes += found.key.length + found.value.length;
        take(found);
      }
      count += keyValues.length;
      const last = keyValues.at(-1);
      if (!more || last === undefined) return count;
      if (Buffer.compare(last.key, key) < 0) {
        throw new MendError("etcd-refused", `"${client.endpoint}" gives keys that were not asked for`, {
          where: client.endpoint,
          hint: "check that etcd listens there",
        });
      }
      key = keyAfter(last.key);
      limit = Math.max(1, Math.min(MOST_LIMIT, limit * 4, Math.floor((keyValues.length * PAGE_BYTES) / bytes)));
    }
  }

  return {
    endpoint: client.endpoint,
    revision,
    readBelow: (prefix, take) => pages(prefix, false, take),
    keysBelow: (prefix, take) => pages(prefix, true, ({ key }) => take(key)),
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

/** The first key after all those that begin with `prefix`. */
export function prefixEnd(prefix: Uint8Array): Uint8Array {
  for (let i = prefix.length - 1; i >= 0; i--) {
    if (prefix[i] === 0xff) continue;
    const end = prefix.slice(0, i + 1);
    end[i] = prefix[i]! + 1;
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
