/** A small snapshot of real objects, for tests that damage it thousands of times. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { readBolt } from "../../src/bolt/bolt.ts";
import { readBuckets, readEntries } from "../../src/bolt/bucket.ts";
import { memorySource } from "../../src/bolt/byte-source.ts";
import { createBoltWriter } from "../../src/bolt/writer.ts";

const FIXTURE = join(import.meta.dirname, "../fixtures/k120-broad/snapshot.db.gz");

/** Every `step`-th entry of the fixture's keyspace and all of its other buckets, in pages of 1 KiB; with the SHA-256 at its end. */
export function sampleSnapshot(step = 12): Uint8Array {
  const bolt = readBolt(memorySource(new Uint8Array(gunzipSync(readFileSync(FIXTURE)))));
  const fail = (finding: { text: string }): never => {
    throw new Error(finding.text);
  };
  const parts: { bytes: Uint8Array; at: number }[] = [];
  const writer = createBoltWriter(
    { write: (bytes, at) => void parts.push({ bytes: bytes.slice(), at }) },
    { pageSize: 1024 },
  );
  for (const bucket of readBuckets(bolt, fail)) {
    writer.openBucket(bucket.name);
    let i = 0;
    for (const { key, value } of readEntries(bolt, bucket, fail)) {
      if (bucket.path !== "key" || i++ % step === 0) writer.put(key, value);
    }
    writer.closeBucket();
  }
  const database = new Uint8Array(writer.finish());
  for (const part of parts) database.set(part.bytes, part.at);
  return withHash(database);
}

/** A database with its SHA-256 behind it, as `snapshot save` writes it. */
export function withHash(database: Uint8Array): Uint8Array {
  const snapshot = new Uint8Array(database.length + 32);
  snapshot.set(database);
  snapshot.set(createHash("sha256").update(database).digest(), database.length);
  return snapshot;
}
