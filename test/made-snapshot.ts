/** Snapshots made for a test: a handful of keys, as `etcdctl snapshot save` would have written them. Real ones are in `test/fixtures`. */
import { createCipheriv } from "node:crypto";
import { createBoltWriter } from "../src/bolt/writer.ts";
import type { KubeObject } from "../src/kube/object.ts";
import { encodeKeyValue } from "../src/mvcc/key-value.ts";
import { encodeRevision } from "../src/mvcc/revision.ts";
import { withHash } from "./damage/sample-snapshot.ts";

/** Each entry is a revision of its own, in order. */
export function madeSnapshot(entries: readonly (readonly [key: string, value: string | Uint8Array])[]): Uint8Array {
  const parts: { bytes: Uint8Array; at: number }[] = [];
  const writer = createBoltWriter(
    { write: (bytes, at) => void parts.push({ bytes: bytes.slice(), at }) },
    { inlineBuckets: false },
  );
  writer.openBucket(Buffer.from("key"));
  for (const [i, [key, value]] of entries.entries()) {
    const main = i + 2;
    const keyValue = {
      key: Buffer.from(key),
      value: Buffer.from(value as string),
      createRevision: main,
      modRevision: main,
      version: 1,
      lease: 0n,
    };
    writer.put(encodeRevision({ main, sub: 0, tombstone: false }), encodeKeyValue(keyValue));
  }
  writer.closeBucket();
  const database = new Uint8Array(writer.finish());
  for (const part of parts) database.set(part.bytes, part.at);
  return withHash(database);
}

/**
 * Objects under their keys, in JSON, as an API server with `--storage-media-type=application/json` stores them; with
 * what every cluster has.
 */
export function clusterEntries(objects: readonly KubeObject[], prefix = "/registry"): [string, string][] {
  const places: Readonly<Record<string, string>> = { Node: "minions", Service: "services/specs" };
  const entries = objects.map((object): [string, string] => {
    const { namespace, name } = object.metadata;
    const place = places[object.kind] ?? `${object.kind.toLowerCase()}s`;
    return [`${prefix}/${place}/${namespace === undefined ? "" : `${namespace}/`}${name}`, JSON.stringify(object)];
  });
  const namespace = (name: string): [string, string] => [
    `${prefix}/namespaces/${name}`,
    JSON.stringify({ apiVersion: "v1", kind: "Namespace", metadata: { name } }),
  ];
  return [...entries, namespace("default"), namespace("kube-system")];
}

/** The value as the API server encrypts it with `aescbc`. */
export function encryptAesCbc(value: string, keyName: string, secret: Uint8Array): Uint8Array {
  const iv = Buffer.alloc(16, 9);
  const cipher = createCipheriv(`aes-${secret.length * 8}-cbc`, secret, iv);
  return Buffer.concat([Buffer.from(`k8s:enc:aescbc:v1:${keyName}:`), iv, cipher.update(value), cipher.final()]);
}
