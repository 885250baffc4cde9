/** Stored objects of the fixtures, one of each kind: the corpus of what reads values. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { readBolt } from "../../src/bolt/bolt.ts";
import { readBuckets, readEntries } from "../../src/bolt/bucket.ts";
import { memorySource } from "../../src/bolt/byte-source.ts";
import { decodeKeyValue } from "../../src/mvcc/key-value.ts";

export const FIXTURES = join(import.meta.dirname, "../fixtures");

export interface SampleValue {
  readonly key: string;
  readonly value: Uint8Array;
  /** As the leaf of the database holds it. */
  readonly leaf: Uint8Array;
}

let cached: readonly SampleValue[] | undefined;

/** At most two of each resource of two fixtures, none longer than 8 KiB. */
export function sampleValues(): readonly SampleValue[] {
  cached ??= ["k120-broad", "k136-encrypted"].flatMap(readFixture);
  return cached;
}

function readFixture(name: string): SampleValue[] {
  const bytes = new Uint8Array(gunzipSync(readFileSync(join(FIXTURES, name, "snapshot.db.gz"))));
  const bolt = readBolt(memorySource(bytes));
  const report = ({ text }: { readonly text: string }): never => {
    throw new Error(text);
  };
  const counts = new Map<string, number>();
  const found: SampleValue[] = [];
  for (const bucket of readBuckets(bolt, report).filter(({ path }) => path === "key")) {
    for (const { value: leaf } of readEntries(bolt, bucket, report)) {
      const decoded = decodeKeyValue(leaf);
      if (typeof decoded === "string" || decoded.value.length === 0 || decoded.value.length > 8192) continue;
      const key = new TextDecoder().decode(decoded.key);
      const resource = key.split("/").slice(0, 4).join("/");
      const count = counts.get(resource) ?? 0;
      counts.set(resource, count + 1);
      if (count < 2) found.push({ key, value: decoded.value.slice(), leaf: leaf.slice() });
    }
  }
  return found;
}
