/** `snapshot export`: every object of a snapshot, as lines of JSON or as a tree of YAML files. */
import { defined } from "../../errors/defined.ts";
import type { Finding } from "../../errors/errors.ts";
import { reportTallies, type Tally } from "../../errors/findings.ts";
import type { FileSystem } from "../../io/files/durable/file-system.ts";
import { openFileTree } from "../../io/files/durable/file-tree.ts";
import type { DecodedValue } from "../../kube/object.ts";
import type { KeySelection } from "../../mvcc/index-task.ts";
import { type FindPrefixOptions, findClusterPrefix } from "../../snapshot/find-cluster-prefix.ts";
import { readKeyspaceParts } from "../../snapshot/keyspace-parts.ts";
import { openSnapshot, type Snapshot, type SnapshotOptions } from "../../snapshot/open-snapshot.ts";
import { joinTallies, readLines } from "../../snapshot/parallel-lines.ts";
import { explainUnknownKind, readDefinitions } from "../../snapshot/read-definitions.ts";
import { type Keyspace, selectKeys } from "../../snapshot/read-keyspace.ts";
import { createTurns } from "../../snapshot/turns.ts";
import { decodeValue } from "../../storage/decode.ts";
import { createTransformer } from "../../storage/encryption.ts";
import type { EncryptionConfig } from "../../storage/encryption-config.ts";
import { objectPath } from "../../storage/object-path.ts";
import { resolveResources } from "../../storage/resource-argument.ts";
import { noteValue } from "../../storage/value-findings.ts";
import { printYaml } from "../../storage/yaml-text.ts";

export interface ExportOptions extends SnapshotOptions {
  readonly atRevision?: number;
  readonly encryption?: EncryptionConfig;
  readonly etcdPrefix?: string;
  /** Only these, as for kubectl: `deployments`, `cm`, `widgets.example.com`. None for every key, Kubernetes' or not. */
  readonly types: readonly string[];
  /** Where there may be more entries than this, keys are read in parts of about so many. */
  readonly mostIndexed?: number;
  /** For tests: the layer below. */
  readonly fileSystem?: FileSystem;
}

export interface ExportCounts {
  readonly objects: number;
  /** Values that are not among the objects, by why. */
  readonly encrypted: number;
  readonly unreadable: number;
  readonly opaque: number;
  readonly findings: readonly Finding[];
}

/** A key-value and what it turned out to be. */
interface ExportedValue {
  readonly key: string;
  readonly decoded: DecodedValue;
}

/**
 * Writes a line of JSON for each key to `write`, in the order of the keys: many at a time, in memory that is used again
 * once `write` has returned. What is no object has `object: null` and says why in `state` and `text`.
 */
export async function exportLines(
  path: string,
  options: ExportOptions,
  write: (lines: Uint8Array) => Promise<void>,
): Promise<ExportCounts> {
  using snapshot = await openSnapshot(path, options);
  const { encryption, etcdPrefix, signal } = options;
  const counts = { object: 0, encrypted: 0, unreadable: 0, opaque: 0 };
  const tallies = new Map<string, Tally>();
  const lineOptions = { ...(encryption && { encryption }), ...(etcdPrefix !== undefined && { etcdPrefix }) };
  let earlier = 0;
  for await (const { keyspace, total } of readChosen(snapshot, options)) {
    for await (const lines of readLines(snapshot, keyspace, lineOptions, signal)) {
      await write(lines.text);
      for (const finding of lines.findings) snapshot.findings.report(finding);
      for (const state of ["object", "encrypted", "unreadable", "opaque"] as const)
        counts[state] += lines.counts[state];
      joinTallies(tallies, lines.tallies);
      options.progress?.({ step: "exporting", done: earlier + lines.done, ...total, unit: "objects" });
    }
    earlier += keyspace.size;
  }
  reportTallies(tallies, snapshot.findings.report);
  const { object, encrypted, unreadable, opaque } = counts;
  return { objects: object, encrypted, unreadable, opaque, findings: snapshot.findings.list() };
}

/** Writes each object to a file of its own below `directory`, which is new or empty. Nothing is there until all is written. */
export async function exportTree(path: string, directory: string, options: ExportOptions): Promise<ExportCounts> {
  using snapshot = await openSnapshot(path, options);
  const { fileSystem } = options;
  const tree = await openFileTree(directory, {
    command: "snapshot export",
    ...(fileSystem === undefined ? {} : { fileSystem }),
  });
  try {
    const counts = await eachValue(snapshot, options, async ({ key, decoded }) => {
      if (decoded.state !== "object") return;
      const parts = objectPath(decoded.object, key.slice(key.lastIndexOf("/") + 1));
      const text = printYaml(decoded.object);
      // The same object can lie under two keys, such as an event that two groups serve.
      for (let copy = 1; !tree.add(copy === 1 ? parts : numbered(parts, copy), text); copy++);
    });
    await tree.commit();
    return counts;
  } finally {
    tree[Symbol.dispose]();
  }
}

function numbered(parts: readonly string[], copy: number): readonly string[] {
  const file = defined(parts.at(-1));
  return [...parts.slice(0, -1), `${file.slice(0, -".yaml".length).slice(0, 240)}~${copy}.yaml`];
}

/** A part of the wanted keys. `total` is there where it is all of them. */
interface ChosenPart {
  readonly keyspace: Keyspace;
  readonly total: { readonly total?: number };
}

/** The keyspace, of the wanted types alone, in the order of the keys: whole, or part by part where there are very many. */
async function* readChosen(snapshot: Snapshot, options: ExportOptions): AsyncGenerator<ChosenPart> {
  const { atRevision, signal, progress, encryption, mostIndexed } = options;
  const reading = {
    ...(atRevision === undefined ? {} : { atRevision }),
    ...(signal === undefined ? {} : { signal }),
    ...(progress === undefined ? {} : { progress }),
    ...(mostIndexed === undefined ? {} : { mostIndexed }),
  };
  for (const finding of encryption?.findings ?? []) snapshot.findings.report(finding);
  const select = await selectTypes(snapshot, options, reading);
  for await (const { keyspace, isWhole } of readKeyspaceParts(snapshot, { ...reading, select }))
    yield { keyspace, total: isWhole ? { total: keyspace.size } : {} };
}

async function eachValue(
  snapshot: Snapshot,
  options: ExportOptions,
  use: (value: ExportedValue) => Promise<void>,
): Promise<ExportCounts> {
  const { signal, progress, encryption, etcdPrefix } = options;
  const transformer = createTransformer(encryption, etcdPrefix);
  const decoder = new TextDecoder();
  const counts = { object: 0, encrypted: 0, unreadable: 0, opaque: 0 };
  const tallies = new Map<string, Tally>();
  const notes = { hasKeys: encryption !== undefined, tallies, report: snapshot.findings.report };
  const turn = createTurns(signal);
  let done = 0;
  for await (const { keyspace, total } of readChosen(snapshot, options)) {
    for (const keyValue of keyspace.entries()) {
      await turn();
      const key = decoder.decode(keyValue.key);
      const decoded = decodeValue({ key, value: keyValue.value, modRevision: keyValue.modRevision }, transformer);
      counts[decoded.state] += 1;
      noteValue(notes, decoded, () => `revision ${keyValue.modRevision} · ${key}`);
      await use({ key, decoded });
      done += 1;
      progress?.({ step: "exporting", done, ...total, unit: "objects" });
    }
  }
  reportTallies(tallies, snapshot.findings.report);
  const { object, encrypted, unreadable, opaque } = counts;
  return { objects: object, encrypted, unreadable, opaque, findings: snapshot.findings.list() };
}

/** Where the keys of the wanted types begin. Throws `kind-unknown`, and `not-kubernetes` where no cluster tells the etcd prefix. */
async function selectTypes(
  snapshot: Snapshot,
  { types, etcdPrefix, encryption }: ExportOptions,
  reading: FindPrefixOptions,
): Promise<readonly KeySelection[]> {
  if (types.length === 0) return [];
  const prefix = await findClusterPrefix(snapshot, etcdPrefix, reading);
  const definitions = await readDefinitions(snapshot, reading, prefix, createTransformer(encryption, prefix));
  try {
    const resources = types.flatMap((type) => resolveResources(type, definitions.custom));
    return resources.map((resource) => selectKeys(`${prefix}/${resource.path}/`));
  } catch (error) {
    throw explainUnknownKind(error, definitions);
  }
}
