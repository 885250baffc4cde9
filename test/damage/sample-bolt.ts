/** Small bbolt files for tests that damage them: every kind of page in a few hundred kilobytes. */

import { readBolt } from "../../src/bolt/bolt.ts";
import { memorySource } from "../../src/bolt/byte-source.ts";
import { checkBolt } from "../../src/bolt/check.ts";
import { type BoltWriterOptions, createBoltWriter } from "../../src/bolt/writer.ts";
import type { Finding } from "../../src/errors/errors.ts";

const encoder = new TextEncoder();

/** A bucket deep enough for two levels of branches, one with overflow pages, an inline one and nested ones. */
export function sampleBolt(options: BoltWriterOptions = {}): Uint8Array {
  const { pageSize = 4096 } = options;
  const parts: { bytes: Uint8Array; at: number }[] = [];
  const writer = createBoltWriter({ write: (bytes, at) => void parts.push({ bytes: bytes.slice(), at }) }, options);
  writer.openBucket(encoder.encode("deep"));
  for (let i = 0; i < 400; i++) {
    writer.put(encoder.encode(`key-${String(i).padStart(5, "0")}-${"k".repeat(pageSize / 8)}`), new Uint8Array(20));
  }
  writer.closeBucket();
  writer.openBucket(encoder.encode("inline"));
  writer.put(encoder.encode("a"), encoder.encode("1"));
  writer.closeBucket();
  writer.openBucket(encoder.encode("outer"));
  writer.openBucket(encoder.encode("inner"));
  for (let i = 0; i < 60; i++)
    writer.put(encoder.encode(`n${String(i).padStart(3, "0")}`), new Uint8Array(pageSize / 8));
  writer.closeBucket();
  writer.closeBucket();
  writer.openBucket(encoder.encode("wide"));
  for (let i = 0; i < 8; i++) writer.put(encoder.encode(`w${i}`), new Uint8Array(pageSize * 2));
  writer.closeBucket();
  const bytes = new Uint8Array(writer.finish());
  for (const part of parts) bytes.set(part.bytes, part.at);
  return bytes;
}

/** What the checker finds in a file, or the error that says that it is none. */
export function findingsIn(bytes: Uint8Array): readonly Finding[] {
  const findings: Finding[] = [];
  checkBolt(readBolt(memorySource(bytes)), (finding) => findings.push(finding));
  return findings;
}
