/** `snapshot keys`: the live keys of a snapshot in byte order. */
import type { Finding } from "../../errors/errors.ts";
import { openSnapshot, type SnapshotOptions } from "../../snapshot/open-snapshot.ts";
import { readKeyspace, selectKeys } from "../../snapshot/read-keyspace.ts";

export interface KeysOptions extends SnapshotOptions {
  readonly prefix: string;
  readonly atRevision?: number;
  /** One JSON array instead of lines. */
  readonly json: boolean;
}

export interface SnapshotKeys {
  readonly findings: readonly Finding[];
  /** The result in parts of about 64 kB. */
  text(): Generator<string>;
}

const PART = 64 * 1024;

export async function readSnapshotKeys(path: string, options: KeysOptions): Promise<SnapshotKeys> {
  using snapshot = await openSnapshot(path, options);
  const { prefix, atRevision, signal, progress, json } = options;
  const keyspace = await readKeyspace(snapshot, {
    select: prefix === "" ? [] : [selectKeys(prefix)],
    ...(atRevision === undefined ? {} : { atRevision }),
    ...(signal === undefined ? {} : { signal }),
    ...(progress === undefined ? {} : { progress }),
  });
  return {
    findings: snapshot.findings.list(),
    text: () => (json ? jsonText(keyspace.keys()) : lines(keyspace.keys())),
  };
}

/** Keys are bytes: what is not UTF-8, or would break a line, is escaped as in JSON. */
function* lines(keys: Iterable<Uint8Array>): Generator<string> {
  const decoder = new TextDecoder();
  let part = "";
  for (const key of keys) {
    const text = decoder.decode(key);
    part += /[\p{Cc}\uFFFD]/u.test(text) ? `${JSON.stringify(text).slice(1, -1)}\n` : `${text}\n`;
    if (part.length < PART) continue;
    yield part;
    part = "";
  }
  yield part;
}

function* jsonText(keys: Iterable<Uint8Array>): Generator<string> {
  const decoder = new TextDecoder();
  let part = "[";
  let first = true;
  for (const key of keys) {
    part += `${first ? "" : ","}${JSON.stringify(decoder.decode(key))}`;
    first = false;
    if (part.length < PART) continue;
    yield part;
    part = "";
  }
  yield `${part}]\n`;
}
