/** Reads from a keyspace what selecting a control plane takes, and no more: of a large cluster's pods only the few that may matter are decoded. */

import type { SealedObject } from "../controlplane/control-plane.ts";
import { MIRROR_ANNOTATION } from "../controlplane/mirror-pod.ts";
import { dataNamespaces } from "../controlplane/select.ts";
import { ETCD_CLUSTER_GROUP } from "../controlplane/self-hosted-etcd.ts";
import type { Finding } from "../errors.ts";
import type { KeyValue } from "../mvcc/key-value.ts";
import { decodeValue } from "../storage/decode.ts";
import { readEncryptionHeader } from "../storage/encryption.ts";
import type { KubeObject, Transformer } from "../storage/object.ts";
import type { Keyspace } from "./read-keyspace.ts";

export interface ControlPlaneObjects {
  readonly objects: readonly KubeObject[];
  readonly sealed: readonly SealedObject[];
  readonly podCount: number;
}

/** What is read whole, by its place below the prefix, and what is said to be sealed where it cannot be read. */
const WHOLE: Readonly<Record<string, string>> = {
  daemonsets: "DaemonSet",
  deployments: "Deployment",
  [`${ETCD_CLUSTER_GROUP}/etcdclusters`]: "EtcdCluster",
  leases: "Lease",
  minions: "Node",
  "services/specs": "Service",
};
/** Read in the components' namespaces: what they refer to, and where leaders kept their leases before there were Lease objects. */
const BY_NAMESPACE: Readonly<Record<string, string>> = {
  configmaps: "ConfigMap",
  secrets: "Secret",
  "services/endpoints": "Endpoints",
};
/** A pod that holds neither of these words is neither a mirror pod nor a member of etcd. */
const POD_MARKS = [MIRROR_ANNOTATION, "kubernetes.io/config.source", "etcd_cluster"].map((mark) => Buffer.from(mark));

export interface ReadObjectsOptions {
  /** Without a slash at its end. */
  readonly etcdPrefix: string;
  readonly transformer: Transformer;
  readonly namespace?: string | undefined;
  readonly report: (finding: Finding) => void;
}

export function readControlPlaneObjects(keyspace: Keyspace, options: ReadObjectsOptions): ControlPlaneObjects {
  const reader = new ObjectReader(keyspace, options);
  for (const [place, kind] of Object.entries(WHOLE)) reader.readAll(`${place}/`, kind);
  const podCount = reader.readAll("pods/", "Pod", (value) => POD_MARKS.some((mark) => value.includes(mark)));
  for (const namespace of dataNamespaces(reader.objects, { namespace: options.namespace })) {
    for (const [place, kind] of Object.entries(BY_NAMESPACE)) reader.readAll(`${place}/${namespace}/`, kind);
  }
  return { objects: reader.objects, sealed: reader.sealed, podCount };
}

class ObjectReader {
  readonly objects: KubeObject[] = [];
  readonly sealed: SealedObject[] = [];
  readonly #keyspace: Keyspace;
  readonly #options: ReadObjectsOptions;
  /** Key order: a place's keys stand together. */
  readonly #keys: readonly string[];

  constructor(keyspace: Keyspace, options: ReadObjectsOptions) {
    this.#keyspace = keyspace;
    this.#options = options;
    const decoder = new TextDecoder();
    const start = new TextEncoder().encode(`${options.etcdPrefix}/`);
    const places = [...Object.keys(WHOLE), ...Object.keys(BY_NAMESPACE), "pods"].map((place) =>
      new TextEncoder().encode(`${options.etcdPrefix}/${place}/`),
    );
    const keys: string[] = [];
    for (const key of keyspace.keys()) {
      if (startsWith(key, start) && places.some((place) => startsWith(key, place))) keys.push(decoder.decode(key));
    }
    this.#keys = keys;
  }

  /** Reads the objects below a place, those that `matters` lets through; returns how many keys there are. */
  readAll(place: string, kind: string, matters?: (value: Buffer) => boolean): number {
    const start = `${this.#options.etcdPrefix}/${place}`;
    let count = 0;
    for (const key of this.#keys) {
      if (!key.startsWith(start)) continue;
      count++;
      const found = this.#keyspace.get(key);
      if (found === undefined) continue;
      const bytes = Buffer.from(found.value.buffer, found.value.byteOffset, found.value.byteLength);
      // What is encrypted shows no words: it has to be opened.
      if (matters !== undefined && !matters(bytes) && readEncryptionHeader(bytes) === undefined) continue;
      this.#take(key, found, kind);
    }
    return count;
  }

  #take(key: string, found: KeyValue, kind: string): void {
    const decoded = decodeValue({ key, value: found.value, modRevision: found.modRevision }, this.#options.transformer);
    if (decoded.state === "object") {
      this.objects.push(decoded.object);
      return;
    }
    if (decoded.state === "opaque") return;
    const parts = key.split("/");
    const namespace = kind === "Node" ? "" : parts.at(-2)!;
    this.sealed.push({ kind, namespace, name: parts.at(-1)!, state: decoded.state, text: decoded.text });
    if (decoded.state === "unreadable") {
      this.#options.report({ level: "error", code: "object-unreadable", where: key, text: decoded.text });
    }
  }
}

function startsWith(key: Uint8Array, start: Uint8Array): boolean {
  if (key.length < start.length) return false;
  for (let i = start.length - 1; i >= 0; i--) if (key[i] !== start[i]) return false;
  return true;
}
