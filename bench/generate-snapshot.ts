/**
 * Writes an etcd snapshot of a large Kubernetes cluster: the objects of a real one, then pods as Kubernetes stores
 * them, each in a revision of its own, then history (updates and deletions). The same arguments give the same bytes.
 *
 * usage: node bench/generate-snapshot.ts [--out FILE] [--pods N] [--history N] [--seed N] [--nodes N]
 *          [--deletions N] [--config-maps N] [--config-map-bytes N] [--config-map-changes N]
 */
import { createHash } from "node:crypto";
import { closeSync, mkdirSync, openSync, readFileSync, readSync, renameSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { gunzipSync } from "node:zlib";
import { type BoltWriter, createBoltWriter } from "../src/bolt/writer.ts";
import { encodeMessage } from "../src/protobuf/message.ts";
import { createConfigMapTemplate } from "./config-map-template.ts";
import { encodeKeyValue } from "./key-value-out.ts";
import { createPodTemplate, POD_KEY, type PodNames, podKey } from "./pod-template.ts";

export interface SnapshotShape {
  readonly pods: number;
  /** Revisions after the pods were made: one in twelve (or in {@link deletions}) deletes a pod, the others update one. */
  readonly history: number;
  readonly deletions?: number;
  readonly seed: number;
  /** Names of nodes that pods are on; {@link NODES} unless given. At most 10,000. */
  readonly nodes?: number;
  /** ConfigMaps, after the pods and their history, and how much text each of them holds: many small keys, or a few large values. */
  readonly configMaps?: number;
  readonly configMapBytes?: number;
  /** Revisions after that: of ten, eight change a ConfigMap, one deletes one, and one makes one. */
  readonly configMapChanges?: number;
}

/** About 1.5 GB. */
export const LARGE: SnapshotShape = { pods: 350_000, history: 27_000, seed: 1 };

const FIRST_REVISION = 10_000_001;
const PODS_IN_NAMESPACE = 1000;
const PODS_IN_WORKLOAD = 8;
const NODES = 3500;
const WORKLOADS = ["orders-backend", "billing-worker", "search-indexer", "session-caches"];
const ALPHABET = "bcdfghjklmnpqrstvwxz2456789";
const NAMESPACE_KEY = "/registry/namespaces/kube-system";

interface StoredObject {
  readonly key: string;
  readonly value: Buffer;
  readonly lease: bigint;
}

export function generateSnapshot(path: string, shape: SnapshotShape): void {
  const objects = readObjects();
  mkdirSync(dirname(path), { recursive: true });
  const staged = `${path}.partial`;
  const file = openSync(staged, "w+");
  const writer = createBoltWriter({
    write(bytes, position) {
      writeSync(file, bytes, 0, bytes.length, position);
    },
  });
  const buckets: Readonly<Record<string, (() => void) | undefined>> = {
    alarm: undefined,
    auth: () => writer.put(text("authRevision"), uint64(1n)),
    authRoles: undefined,
    authUsers: undefined,
    cluster: () => writer.put(text("clusterVersion"), text("3.5.0")),
    key: () => writeKeys(writer, objects, shape),
    lease: () => writeLeases(writer, objects),
    members: () => writeMembers(writer),
    members_removed: undefined,
    meta: () => writeMeta(writer),
  };
  for (const [name, fill] of Object.entries(buckets)) {
    writer.openBucket(text(name));
    fill?.();
    writer.closeBucket();
  }
  const size = writer.finish();
  writeSync(file, sha256(file, size), 0, 32, size);
  closeSync(file);
  renameSync(staged, path);
}

function writeKeys(writer: BoltWriter, objects: readonly StoredObject[], shape: SnapshotShape): void {
  const random = randomSource(shape.seed);
  const { configMaps = 0, configMapBytes = 700, configMapChanges = 0, nodes = NODES, deletions = 12 } = shape;
  const record = new Uint8Array(1024 * 1024 + configMapBytes);
  const revisionKey = new Uint8Array(18);
  const revisionView = new DataView(revisionKey.buffer);
  revisionKey[8] = 0x5f; // "_"
  let revision = FIRST_REVISION;

  function put(key: Uint8Array, value: Uint8Array, version: number, createRevision: number, lease = 0n): void {
    revisionView.setBigUint64(0, BigInt(revision));
    const size = encodeKeyValue(record, { key, value, version, createRevision, modRevision: revision, lease });
    writer.put(revisionKey.subarray(0, 17), record.subarray(0, size));
    revision++;
  }

  function remove(key: Uint8Array): void {
    revisionView.setBigUint64(0, BigInt(revision));
    revisionKey[17] = 0x74; // "t"
    const nothing = { value: new Uint8Array(0), version: 0, createRevision: 0, modRevision: 0, lease: 0n };
    writer.put(revisionKey, record.subarray(0, encodeKeyValue(record, { key, ...nothing })));
    revision++;
  }

  for (const object of objects) put(text(object.key), object.value, 1, revision, object.lease);
  const namespaces = Math.ceil(shape.pods / PODS_IN_NAMESPACE);
  const namespaceBytes = find(objects, NAMESPACE_KEY);
  for (let i = 0; i < namespaces; i++) {
    const value = Buffer.from(namespaceBytes);
    value.write(namespaceName(i), value.indexOf("kube-system"), "latin1");
    value.write(uid(random), value.indexOf("*$") + 2, "latin1");
    put(text(`/registry/namespaces/${namespaceName(i)}`), value, 1, revision);
  }

  const template = createPodTemplate(find(objects, POD_KEY));
  const podSeed = random();
  const firstPod = revision;
  for (let i = 0; i < shape.pods; i++) {
    const names = podNames(i, podSeed, nodes);
    template.fill(names);
    put(text(podKey(names)), template.value, 1, revision);
  }

  const versions = new Map<number, number>();
  for (let i = 0; i < shape.history; i++) {
    const pod = random() % shape.pods;
    const version = (versions.get(pod) ?? 1) + 1;
    const names = podNames(pod, podSeed, nodes);
    if (i % deletions === deletions - 1 && version > 0) {
      versions.set(pod, Number.NEGATIVE_INFINITY); // a deleted pod stays deleted
      remove(text(podKey(names)));
    } else if (version > 0) {
      versions.set(pod, version);
      template.fill(names);
      put(text(podKey(names)), template.value, version, firstPod + pod);
    }
  }

  const configMap = createConfigMapTemplate(configMapBytes);
  const firstConfigMap = revision;
  for (let i = 0; i < configMaps; i++) {
    configMap.fill(i);
    put(configMap.key, configMap.value, 1, revision);
  }
  for (let i = 0; i < configMapChanges; i++) {
    const old = Math.floor((configMaps / configMapChanges) * i);
    const kind = i % 10;
    configMap.fill(kind === 9 ? configMaps + i : old, kind < 8);
    if (kind === 8) remove(configMap.key);
    else if (kind === 9) put(configMap.key, configMap.value, 1, revision);
    else put(configMap.key, configMap.value, 2, firstConfigMap + old);
  }
}

/** The names of the n-th pod of such a snapshot. */
export function podOf(shape: SnapshotShape, pod: number): PodNames {
  const random = randomSource(shape.seed);
  for (let i = 0; i < Math.ceil(shape.pods / PODS_IN_NAMESPACE); i++) uid(random);
  return podNames(pod, random(), shape.nodes ?? NODES);
}

function podNames(pod: number, seed: number, nodes: number): PodNames {
  const workload = Math.floor(pod / PODS_IN_WORKLOAD);
  const ofWorkload = randomSource(seed ^ Math.imul(workload + 1, 0x9e3779b1));
  const ofPod = randomSource(seed ^ Math.imul(pod + 1, 0x85ebca6b));
  const ownerUid = uid(ofWorkload);
  return {
    namespace: namespaceName(Math.floor(pod / PODS_IN_NAMESPACE)),
    workload: WORKLOADS[workload % WORKLOADS.length]!,
    hash: letters(workload, 10),
    suffix: letters(Math.imul(pod, 5) + (ofPod() % 5), 5),
    uid: uid(ofPod),
    ownerUid,
    node: `n${String(ofPod() % nodes).padStart(4, "0")}`,
  };
}

function namespaceName(i: number): string {
  return `team-${String(i).padStart(6, "0")}`;
}

/** Unique for each number below 27^5. */
function letters(value: number, length: number): string {
  let result = "";
  for (let rest = value; result.length < length; rest = Math.floor(rest / 27)) result += ALPHABET[rest % 27];
  return result;
}

function uid(random: () => number): string {
  const hex = Array.from({ length: 4 }, () => random().toString(16).padStart(8, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`;
}

function writeLeases(writer: BoltWriter, objects: readonly StoredObject[]): void {
  const ids = [...new Set(objects.map((object) => object.lease))].filter((id) => id !== 0n);
  for (const id of ids.sort((a, b) => (a < b ? -1 : 1))) writer.put(uint64(id), encodeLease(id));
}

/** `leasepb.Lease`: its id and an hour and a minute in seconds, as Kubernetes grants it for events. */
function encodeLease(id: bigint): Uint8Array {
  return encodeMessage((message) => {
    message.varint(1, id);
    message.varint(2, 3660);
  });
}

function writeMembers(writer: BoltWriter): void {
  for (const [id, name] of [
    ["4e6a3c1f90b7d258", "etcd-0"],
    ["8211f1d0f64f3269", "etcd-1"],
    ["91bc3c398fb3c146", "etcd-2"],
  ] as const) {
    const url = (port: number): string[] => [`https://${name}.example.org:${port}`];
    const member = { id: BigInt(`0x${id}`), peerURLs: url(2380), name, clientURLs: url(2379) };
    const json = JSON.stringify({ ...member, id: 0 }).replace('"id":0', `"id":${member.id}`);
    writer.put(text(id), text(json));
  }
}

function writeMeta(writer: BoltWriter): void {
  const compacted = new Uint8Array(17);
  compacted[8] = 0x5f;
  new DataView(compacted.buffer).setBigUint64(0, BigInt(FIRST_REVISION - 1));
  writer.put(text("consistent_index"), uint64(12_345_678n));
  writer.put(text("finishedCompactRev"), compacted);
  writer.put(text("scheduledCompactRev"), compacted);
  writer.put(text("term"), uint64(7n));
}

function readObjects(): StoredObject[] {
  const packed = readFileSync(join(import.meta.dirname, "kubernetes-objects.jsonl.gz"));
  const lines = gunzipSync(packed).toString("utf8").trimEnd().split("\n");
  return lines.map((line) => {
    const { key, value, lease } = JSON.parse(line) as { key: string; value: string; lease: string };
    return { key, value: Buffer.from(value, "base64"), lease: BigInt(lease) };
  });
}

function find(objects: readonly StoredObject[], key: string): Buffer {
  const object = objects.find((candidate) => candidate.key === key);
  if (object === undefined) throw new Error(`bench/kubernetes-objects.jsonl.gz has no "${key}"`);
  return object.value;
}

/** xorshift32: a 32-bit number a call. */
function randomSource(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
}

function sha256(file: number, size: number): Uint8Array {
  const hash = createHash("sha256");
  const chunk = Buffer.alloc(4 * 1024 * 1024);
  for (let position = 0; position < size; ) {
    const count = readSync(file, chunk, 0, Math.min(chunk.length, size - position), position);
    if (count === 0) throw new Error("the snapshot ends early");
    hash.update(chunk.subarray(0, count));
    position += count;
  }
  return hash.digest();
}

function text(value: string): Uint8Array {
  return Buffer.from(value, "utf8");
}

function uint64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value);
  return bytes;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      out: { type: "string", default: join(process.env.KUBEMEND_BENCH_DIR ?? ".cache/bench", "snapshot-1500mb.db") },
      pods: { type: "string", default: String(LARGE.pods) },
      history: { type: "string", default: String(LARGE.history) },
      seed: { type: "string", default: String(LARGE.seed) },
      nodes: { type: "string", default: String(NODES) },
      deletions: { type: "string", default: "12" },
      "config-maps": { type: "string", default: "0" },
      "config-map-bytes": { type: "string", default: "700" },
      "config-map-changes": { type: "string", default: "0" },
    },
  });
  generateSnapshot(values.out, {
    pods: Number(values.pods),
    history: Number(values.history),
    seed: Number(values.seed),
    nodes: Number(values.nodes),
    deletions: Number(values.deletions),
    configMaps: Number(values["config-maps"]),
    configMapBytes: Number(values["config-map-bytes"]),
    configMapChanges: Number(values["config-map-changes"]),
  });
  console.log(values.out);
}
