/** Reads every version of every key as `snapshot verify` wants it: its place in etcd's history is right, and Kubernetes' object decodes. */
import type { Report } from "../bolt/tree.ts";
import type { Tally } from "../errors/findings.ts";
import type { DecodedValue } from "../kube/object.ts";
import { entryPlace, type RevisionEntry, type RevisionVisitor } from "../mvcc/leaf-revisions.ts";
import { surelyDecodes } from "./check-value.ts";
import { decodeValue } from "./decode.ts";
import { createTransformer } from "./encryption.ts";
import { readObjectKey, resourceAtPath } from "./object-key.ts";
import { noteValue } from "./value-findings.ts";
import type { VerifyOptions, VerifyResult } from "./verify-result.ts";

export interface VerifyTask {
  readonly visit: RevisionVisitor;
  finish(): VerifyResult;
}

export function createVerifyTask(options: VerifyOptions, report: Report): VerifyTask {
  const transformer = createTransformer(options.encryption, options.etcdPrefix);
  const counts: Record<DecodedValue["state"], number> = { object: 0, encrypted: 0, opaque: 0, unreadable: 0 };
  const tallies = new Map<string, Tally>();
  let tombstones = 0;
  let lastRevision = 0;

  const notes = { hasKeys: options.encryption !== undefined, tallies, report };
  const decode = (entry: RevisionEntry): void => {
    const { bytes } = entry.page;
    const { keyStart, keyEnd, valueStart, valueEnd, modRevision } = entry.fields;
    if (surelyDecodes(bytes, valueStart, valueEnd)) {
      counts.object += 1;
      return;
    }
    const key = Buffer.from(bytes.buffer, bytes.byteOffset + keyStart, keyEnd - keyStart).toString();
    const decoded = decodeValue({ key, value: bytes.subarray(valueStart, valueEnd), modRevision }, transformer);
    counts[decoded.state] += 1;
    noteValue(notes, decoded, () => entryPlace(entry));
    // Anybody may write into etcd what is no object; where the API server keeps a kind of its own, it cannot read it.
    if (decoded.state !== "opaque" || options.reportsOpaque !== true) return;
    const at = readObjectKey(key, options.etcdPrefix);
    if (at !== undefined && resourceAtPath(at.path) !== undefined) {
      const text = `no API server can read it among ${at.resource}: ${decoded.text}`;
      report({ level: "warning", code: "object-unreadable", where: entryPlace(entry), text });
    }
  };

  const visit: RevisionVisitor = (entry) => {
    if (entry.main > lastRevision) lastRevision = entry.main;
    // What `restore --bump-revision` writes to raise the newest revision: a revision of nothing.
    if (entry.fields.keyEnd === entry.fields.keyStart) return;
    const fault = historyFault(entry);
    if (fault !== undefined)
      report({ level: "error", code: "revision-mismatch", where: entryPlace(entry), text: fault });
    if (entry.tombstone) tombstones += 1;
    else decode(entry);
  };
  return { visit, finish: () => ({ counts, tombstones, lastRevision, tallies }) };
}

/** What etcd itself would not have written, or undefined. */
function historyFault(entry: RevisionEntry): string | undefined {
  const { createRevision, modRevision, version } = entry.fields;
  if (entry.tombstone) return undefined; // holds the key alone
  if (modRevision !== entry.main) return `the value says that revision ${modRevision} wrote it`;
  if (createRevision > modRevision) return `it was created at revision ${createRevision}, after it was written`;
  if (version < 1) return `it has version ${version}`;
  if ((version === 1) !== (createRevision === modRevision))
    return `it has version ${version}, was created at revision ${createRevision} and written at ${modRevision}`;
  return undefined;
}
