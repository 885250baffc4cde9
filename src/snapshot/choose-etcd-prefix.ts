/** Which prefix of a keyspace holds the cluster: the one that was asked for, or else the one that is there. */

import { defined } from "../errors/defined.ts";
import { MendError } from "../errors/errors.ts";
import { input } from "../errors/input.ts";
import { findEtcdPrefixes, normalizeEtcdPrefix } from "../storage/etcd-prefix.ts";
import type { Keyspace } from "./read-keyspace.ts";

/**
 * `keyspace` must show all keys. Throws `not-kubernetes` where no cluster is, and `usage` where there are several and nobody said which.
 * Returns the prefix without a slash at its end.
 */
export function chooseEtcdPrefix(
  keyspace: Pick<Keyspace, "keys" | "size">,
  flag: string | undefined,
  path: string,
): string {
  const found = findEtcdPrefixes(keyspace.keys()).map((each) => each.prefix);
  if (flag !== undefined) {
    const prefix = normalizeEtcdPrefix(flag);
    checkPrefixFound(prefix, found, path);
    return prefix;
  }
  const listed = listPrefixes(found);
  if (found.length === 0) {
    throw new MendError("not-kubernetes", `no Kubernetes cluster in this snapshot: ${describeKeys(keyspace)}`, {
      where: path,
      hint: `list what is there with snapshot keys, or pass ${input("etcdPrefix")}`,
    });
  }
  if (found.length > 1) {
    throw new MendError("usage", `the snapshot holds ${found.length} clusters, under ${listed}`, {
      where: path,
      hint: `choose one with ${input("etcdPrefix")}`,
    });
  }
  return defined(found[0]);
}

/** Throws `not-kubernetes` where `prefix`, which somebody asked for, is not among those that were found. */
export function checkPrefixFound(prefix: string, found: readonly string[], path: string): void {
  if (found.includes(prefix)) return;
  throw new MendError("not-kubernetes", `no Kubernetes cluster under the etcd prefix "${prefix}"`, {
    where: path,
    hint: found.length === 0 ? "list what is there with snapshot keys" : `there is one under ${listPrefixes(found)}`,
  });
}

function listPrefixes(prefixes: readonly string[]): string {
  return prefixes.map((prefix) => `"${prefix}"`).join(", ");
}

function describeKeys(keyspace: Pick<Keyspace, "keys" | "size">): string {
  for (const key of keyspace.keys()) {
    const name = JSON.stringify(new TextDecoder().decode(key));
    return keyspace.size === 1 ? `it holds 1 key, ${name}` : `it holds ${keyspace.size} keys, the first is ${name}`;
  }
  return "it holds no keys at all";
}
