/**
 * Reads from a keyspace what selecting a control plane takes, and no more: of a large cluster's pods only the few that
 * may matter are decoded.
 */

import type { SealedObject } from "../../controlplane/control-plane.ts";
import { hasStaticApiServer, staticPodNodes } from "../../controlplane/control-plane-nodes.ts";
import { dataNamespaces, isSurelySelfHosted } from "../../controlplane/select.ts";
import { ETCD_CLUSTER_GROUP } from "../../controlplane/self-hosted-etcd.ts";
import { defined } from "../../errors/defined.ts";
import type { Finding } from "../../errors/errors.ts";
import type { KubeObject, Transformer } from "../../kube/object.ts";
import type { KeyValue } from "../../mvcc/key-value.ts";
import { decodeValue } from "../../storage/decode.ts";
import { readEncryptionHeader } from "../../storage/encryption.ts";

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
/**
 * A pod that holds none of these words (the first begins every annotation of a mirror pod) is neither a mirror pod nor
 * a member of etcd.
 */
const POD_MARKS = ["kubernetes.io/config.", "etcd_cluster"].map((mark) => Buffer.from(mark));

/** A snapshot or a live etcd, at one revision. */
export interface StoredValues {
  /** Called with the prefixes that are read next: for who finds the keys of many prefixes as fast as those of one. */
  prepare?(prefixes: readonly string[]): Promise<void>;
  /** Hands over every live key-value whose key begins with `prefix`, in any order; returns how many there are. */
  readBelow(prefix: string, take: (found: KeyValue) => void): number | Promise<number>;
  /** Where values come over a network: how to leave most of them there. */
  readonly remote?: {
    /** Hands over every live key that begins with `prefix`. */
    keysBelow(prefix: string, take: (key: Uint8Array) => void): Promise<number>;
    /** The one key's value, if it is there. */
    read(key: string): Promise<KeyValue | undefined>;
  };
}

export interface ReadObjectsOptions {
  /** Without a slash at its end. */
  readonly etcdPrefix: string;
  readonly transformer: Transformer;
  readonly namespace?: string | undefined;
  readonly report: (finding: Finding) => void;
}

export async function readControlPlaneObjects(
  values: StoredValues,
  options: ReadObjectsOptions,
): Promise<ControlPlaneObjects> {
  const reader = new ObjectReader(values, options);
  const below = (place: string) => `${options.etcdPrefix}/${place}/`;
  await values.prepare?.([...Object.keys(WHOLE), "pods"].map(below));
  for (const [place, kind] of Object.entries(WHOLE)) await reader.readAll(`${place}/`, kind);
  const namespaces = dataNamespaces(reader.objects, { namespace: options.namespace });
  const podCount = await reader.readPods(namespaces);
  const places = namespaces.flatMap((namespace) => Object.keys(BY_NAMESPACE).map((place) => `${place}/${namespace}`));
  await values.prepare?.(places.map(below));
  for (const namespace of namespaces) {
    for (const [place, kind] of Object.entries(BY_NAMESPACE)) await reader.readAll(`${place}/${namespace}/`, kind);
  }
  return { objects: reader.objects, sealed: reader.sealed, podCount };
}

class ObjectReader {
  readonly objects: KubeObject[] = [];
  readonly sealed: SealedObject[] = [];
  readonly #values: StoredValues;
  readonly #options: ReadObjectsOptions;

  constructor(values: StoredValues, options: ReadObjectsOptions) {
    this.#values = values;
    this.#options = options;
  }

  /** Reads the objects below a place, those that `matters` lets through; returns how many keys there are. */
  async readAll(place: string, kind: string, matters?: (value: Buffer) => boolean): Promise<number> {
    return this.#values.readBelow(`${this.#options.etcdPrefix}/${place}`, (found) => {
      const bytes = Buffer.from(found.value.buffer, found.value.byteOffset, found.value.byteLength);
      // What is encrypted shows no words: it has to be opened.
      if (matters !== undefined && !matters(bytes) && readEncryptionHeader(bytes) === undefined) return;
      this.#take(new TextDecoder().decode(found.key), found, kind);
    });
  }

  /** Returns how many pods were looked at: all of them, or where values are remote perhaps only those that may matter. */
  async readPods(namespaces: readonly string[]): Promise<number> {
    const { remote } = this.#values;
    const matters = (value: Buffer) => POD_MARKS.some((mark) => value.includes(mark));
    if (remote === undefined) return this.readAll("pods/", "Pod", matters);
    let count = 0;
    for (const namespace of namespaces) count += await this.readAll(`pods/${namespace}/`, "Pod", matters);
    if (isSurelySelfHosted(this.objects, this.#options.namespace)) return count;
    const seen = namespaces.map((namespace) => `${this.#options.etcdPrefix}/pods/${namespace}/`);
    const nodes = [...staticPodNodes(this.#ofKind("Node"), this.#ofKind("Pod"))].map((name) => name.toLowerCase());
    const keys: string[] = [];
    // A mirror pod's name ends with its node's.
    count = await remote.keysBelow(`${this.#options.etcdPrefix}/pods/`, (bytes) => {
      const key = new TextDecoder().decode(bytes);
      if (nodes.some((name) => key.endsWith(`-${name}`)) && !seen.some((place) => key.startsWith(place)))
        keys.push(key);
    });
    for (const key of keys) {
      const found = await remote.read(key);
      if (found !== undefined) this.#take(key, found, "Pod");
    }
    if (hasStaticApiServer(this.#ofKind("Pod"))) return count;
    this.objects.splice(0, this.objects.length, ...this.objects.filter(({ kind }) => kind !== "Pod"));
    return this.readAll("pods/", "Pod", matters);
  }

  #ofKind(kind: string): KubeObject[] {
    return this.objects.filter((object) => object.kind === kind);
  }

  #take(key: string, found: KeyValue, kind: string): void {
    const decoded = decodeValue({ key, value: found.value, modRevision: found.modRevision }, this.#options.transformer);
    if (decoded.state === "object") {
      this.objects.push(decoded.object);
      return;
    }
    if (decoded.state === "opaque") return;
    const parts = key.split("/");
    const namespace = kind === "Node" ? "" : defined(parts.at(-2));
    this.sealed.push({ kind, namespace, name: defined(parts.at(-1)), state: decoded.state, text: decoded.text });
    if (decoded.state === "unreadable") {
      this.#options.report({ level: "error", code: "object-unreadable", where: key, text: decoded.text });
    }
  }
}
