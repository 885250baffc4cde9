/** A snapshot as a history that `kubeapi/` can serve. */

import { defined } from "../../errors/defined.ts";
import type { KeyspaceHistory } from "../../kubeapi/history.ts";
import type { Timeline } from "../../mvcc/timeline.ts";
import { choosePrefix } from "../../snapshot/choose-etcd-prefix.ts";
import { loadEncryptionConfig } from "../../snapshot/load-encryption-config.ts";
import type { Snapshot, SnapshotOptions } from "../../snapshot/open-snapshot.ts";
import { readTimeline } from "../../snapshot/read-timeline.ts";
import { decodeValue } from "../../storage/decode.ts";
import { createTransformer } from "../../storage/encryption.ts";

export interface HistoryOptions extends SnapshotOptions {
  /** The path of an EncryptionConfiguration. */
  readonly encryptionConfig?: string;
  readonly etcdPrefix?: string;
}

export interface OpenedHistory {
  readonly history: KeyspaceHistory;
  /** Etcd's prefix, without a slash at its end. */
  readonly prefix: string;
  /** What the history is made from. */
  readonly timeline: Timeline;
}

/** Throws `not-kubernetes`, `snapshot-damaged`, `usage` where there are several clusters, and `encryption-config-invalid`. */
export async function openHistory(snapshot: Snapshot, options: HistoryOptions): Promise<OpenedHistory> {
  const config = loadEncryptionConfig(options.encryptionConfig);
  const { timeline, prefixes, read } = await readTimeline(snapshot, options);
  const prefix = choosePrefix(prefixes, options.etcdPrefix, {
    path: snapshot.file.path,
    findings: snapshot.findings,
  });
  const transformer = createTransformer(config, prefix);
  const encoder = new TextEncoder();
  const decoder = new TextDecoder();
  const { rows, starts, byKey, byRevision } = timeline;
  const history: KeyspaceHistory = {
    firstRevision: timeline.firstRevision,
    lastRevision: timeline.lastRevision,
    range: (text) => timeline.range(encoder.encode(text)),
    find: (text) => timeline.find(encoder.encode(text)),
    key: (number) => decoder.decode(timeline.keyBytes(number)),
    rowAt: (key, revision) => timeline.rowAt(key, revision),
    rowsOf: (key) => Array.from(byKey.subarray(defined(starts[key]), defined(starts[key + 1]))),
    rowCount: (key) => defined(starts[key + 1]) - defined(starts[key]),
    *rowsAfter(revision) {
      for (let i = timeline.firstAfter(revision); i < byRevision.length; i++) yield defined(byRevision[i]);
    },
    keyOfRow: (row) => timeline.keyOfRow(row),
    revisionOf: (row) => defined(rows.main[row]),
    isDeletion: (row) => rows.tombstone[row] === 1,
    sizeOf: (row) => defined(rows.size[row]),
    raw(row) {
      const stored = read(row);
      if (typeof stored === "string") return undefined;
      const { buffer, byteOffset, byteLength } = stored.value;
      return Buffer.from(buffer, byteOffset, byteLength);
    },
    decode(row) {
      const stored = read(row);
      if (typeof stored === "string") return { state: "unreadable", text: stored };
      const key = decoder.decode(stored.key);
      return decodeValue({ key, value: stored.value, modRevision: stored.modRevision }, transformer);
    },
  };
  return { history, prefix, timeline };
}

/** The history as it was when a revision was the newest. */
export function upTo(history: KeyspaceHistory, revision: number): KeyspaceHistory {
  if (revision >= history.lastRevision) return history;
  const rowsOf = (key: number) => history.rowsOf(key).filter((row) => history.revisionOf(row) <= revision);
  return {
    ...history,
    lastRevision: revision,
    rowsOf,
    rowCount: (key) => rowsOf(key).length,
    *rowsAfter(after) {
      for (const row of history.rowsAfter(after)) {
        if (history.revisionOf(row) > revision) return;
        yield row;
      }
    },
  };
}
