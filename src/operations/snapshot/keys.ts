/** `snapshot keys`: the live keys of a snapshot in byte order. */
import type { Finding } from "../../errors/errors.ts";
import { openSnapshot, type SnapshotOptions } from "../../snapshot/open-snapshot.ts";
import { readKeyspace, selectKeys } from "../../snapshot/read-keyspace.ts";

export interface KeysOptions extends SnapshotOptions {
  readonly prefix: string;
  readonly atRevision?: number;
}

export interface SnapshotKeys {
  readonly findings: readonly Finding[];
  keys(): Iterable<string>;
}

export async function readSnapshotKeys(path: string, options: KeysOptions): Promise<SnapshotKeys> {
  using snapshot = await openSnapshot(path, options);
  const { prefix, atRevision, signal, progress } = options;
  const keyspace = await readKeyspace(snapshot, {
    select: prefix === "" ? [] : [selectKeys(prefix)],
    ...(atRevision === undefined ? {} : { atRevision }),
    ...(signal === undefined ? {} : { signal }),
    ...(progress === undefined ? {} : { progress }),
  });
  return {
    findings: snapshot.findings.list(),
    keys: () => texts(keyspace.keys()),
  };
}

/** Keys are bytes: what is not UTF-8 is U+FFFD. */
function* texts(keys: Iterable<Uint8Array>): Generator<string> {
  const decoder = new TextDecoder();
  for (const key of keys) yield decoder.decode(key);
}
