/** Which prefix of a keyspace holds the cluster: the one that was asked for, or else the one that is there. */

import { defined } from "../errors/defined.ts";
import { MendError } from "../errors/errors.ts";
import type { FindingCollector } from "../errors/findings.ts";
import { input } from "../errors/input.ts";
import { findEtcdPrefixes, normalizeEtcdPrefix } from "../storage/etcd-prefix.ts";
import type { Keyspace } from "./read-keyspace.ts";

/** What was read, and what was found wrong with it. */
export interface SearchedSnapshot {
  readonly path: string;
  readonly findings: Pick<FindingCollector, "list">;
}

/**
 * `keyspace` must show all keys. Throws `not-kubernetes` where no cluster is, `snapshot-damaged` where damage may have
 * hidden it, and `usage` where there are several and nobody said which. Returns the prefix without a slash at its end.
 */
export function chooseEtcdPrefix(
  keyspace: Pick<Keyspace, "keys" | "size">,
  flag: string | undefined,
  snapshot: SearchedSnapshot,
): string {
  const found = findEtcdPrefixes(keyspace.keys()).map((each) => each.prefix);
  return choosePrefix(found, flag, snapshot, () => `: ${describeKeys(keyspace)}`);
}

/** The same of prefixes that were found already. `contents`: what there is where no cluster is. */
export function choosePrefix(
  found: readonly string[],
  flag: string | undefined,
  snapshot: SearchedSnapshot,
  contents = (): string => "",
): string {
  if (flag !== undefined) {
    const prefix = normalizeEtcdPrefix(flag);
    checkPrefixFound(prefix, found, snapshot);
    return prefix;
  }
  const { path: where } = snapshot;
  if (found.length === 0) {
    checkDamage(snapshot);
    throw new MendError("not-kubernetes", `no Kubernetes cluster in this snapshot${contents()}`, {
      where,
      hint: `list what is there with snapshot keys, or pass ${input("etcdPrefix")}`,
    });
  }
  if (found.length > 1) {
    throw new MendError("usage", `the snapshot holds ${found.length} clusters, under ${listPrefixes(found)}`, {
      where,
      hint: `choose one with ${input("etcdPrefix")}`,
    });
  }
  return defined(found[0]);
}

/** Throws `not-kubernetes` where `prefix`, which somebody asked for, is not among those that were found. */
export function checkPrefixFound(prefix: string, found: readonly string[], snapshot: SearchedSnapshot): void {
  if (found.includes(prefix)) return;
  if (found.length === 0) checkDamage(snapshot);
  throw new MendError("not-kubernetes", `no Kubernetes cluster under the etcd prefix "${prefix}"`, {
    where: snapshot.path,
    hint: found.length === 0 ? "list what is there with snapshot keys" : `there is one under ${listPrefixes(found)}`,
  });
}

/** A file of which a part is missing may have held a cluster there: that it holds none would be a wrong answer. */
function checkDamage({ path, findings }: SearchedSnapshot): void {
  const fault = findings.list().find(({ level }) => level === "error");
  if (fault === undefined) return;
  throw new MendError("snapshot-damaged", `no Kubernetes cluster is left in this damaged snapshot: ${fault.text}`, {
    where: path,
    hint: "see all of the damage with snapshot verify, and take another copy of the backup",
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
