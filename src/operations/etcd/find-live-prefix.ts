/** Which prefix of a live etcd holds the cluster: found by asking for single keys, so that millions of others stay where they are. */

import { defined } from "../../errors/defined.ts";
import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import type { EtcdReader } from "../../io/etcd/etcd-reader.ts";
import { DEFAULT_ETCD_PREFIX, normalizeEtcdPrefix, PREFIX_SIGNS } from "../../storage/etcd-prefix.ts";

type Keys = Pick<EtcdReader, "endpoint" | "firstKey" | "has">;

/** `--etcd-prefix` seldom has more than two parts. */
const MOST_PARTS = 4;
const MOST_REQUESTS = 2000;
const SLASH = 0x2f;

/** Without a slash at its end. Throws `not-kubernetes` where no cluster is, and `usage` where there are several and nobody said which. */
export async function findLivePrefix(keys: Keys, flag: string | undefined): Promise<string> {
  if (flag !== undefined) {
    const prefix = normalizeEtcdPrefix(flag);
    if (await isPrefix(keys, prefix)) return prefix;
    const others = await findPrefixes(keys);
    throw new MendError("not-kubernetes", `no Kubernetes cluster under the etcd prefix "${prefix}"`, {
      where: keys.endpoint,
      hint:
        others.length === 0
          ? "check that these are the servers of the cluster's etcd"
          : `there is one under ${quoted(others)}`,
    });
  }
  const found = await findPrefixes(keys);
  if (found.length === 1) return defined(found[0]);
  if (found.length > 1) {
    throw new MendError("usage", `this etcd holds ${found.length} clusters, under ${quoted(found)}`, {
      where: keys.endpoint,
      hint: `choose one with ${input("etcdPrefix")}`,
    });
  }
  const first = await keys.firstKey(Uint8Array.of(0), Uint8Array.of(0));
  const holds =
    first === undefined ? "no keys at all" : `keys such as ${JSON.stringify(new TextDecoder().decode(first))}`;
  throw new MendError("not-kubernetes", `no Kubernetes cluster in this etcd: it holds ${holds}`, {
    where: keys.endpoint,
    hint: `check that these are the servers of the cluster's etcd, or pass ${input("etcdPrefix")}`,
  });
}

function quoted(prefixes: readonly string[]): string {
  return prefixes.map((prefix) => `"${prefix}"`).join(", ");
}

/** As in a snapshot: a single sign may be somebody else's key, but not under the default prefix. */
async function isPrefix(keys: Keys, prefix: string): Promise<boolean> {
  let signs = prefix === DEFAULT_ETCD_PREFIX ? 1 : 0;
  for (const sign of PREFIX_SIGNS) {
    if (await keys.has(`${prefix}${sign}`)) signs++;
    if (signs > 1) return true;
  }
  return false;
}

/** Goes from name to name, level by level, as one would in a file tree. Below a cluster it looks no further. */
async function findPrefixes(keys: Keys): Promise<string[]> {
  const found: string[] = [];
  let requests = 0;
  async function visit(prefix: string, depth: number): Promise<void> {
    if (await isPrefix(keys, prefix)) {
      found.push(prefix);
      return;
    }
    if (depth === MOST_PARTS) return;
    const end = bytes(`${prefix}0`); // the byte after a slash
    let from: Uint8Array = bytes(`${prefix}/`);
    while (requests++ < MOST_REQUESTS) {
      const key = await keys.firstKey(from, end);
      if (key === undefined) return;
      const start = prefix.length + 1;
      const slash = key.indexOf(SLASH, start);
      if (slash < 0) {
        from = Uint8Array.from([...key, 0]); // a key of its own, with nothing below
        continue;
      }
      const name = new TextDecoder().decode(key.subarray(start, slash));
      await visit(`${prefix}/${name}`, depth + 1);
      from = Uint8Array.from([...key.subarray(0, slash), SLASH + 1]);
    }
  }
  await visit("", 0);
  return found.sort();
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
