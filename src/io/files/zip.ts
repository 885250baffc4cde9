/** A zip archive that holds a snapshot, as k3s writes with `etcd-snapshot-compress`: finds the one entry that is a snapshot, by content. */

import { crc32 } from "node:zlib";
import * as yauzl from "yauzl";
import { defined } from "../../errors/defined.ts";
import { MendError } from "../../errors/errors.ts";
import type { ArchiveContent } from "./archive-content.ts";

/** A backup archive has a handful of entries; looking into each of more than this would only serve a hostile one. */
const MOST_ENTRIES = 1000;
/** Directories are entries too, each of which takes time to read. */
const MOST_READ = 10_000;
/** Bytes 16 to 19 of a bbolt file: the magic of its first meta page, little-endian as every etcd host is. */
const BOLT_MAGIC = 0xed0cdaed;
const HEAD = 20;

/**
 * The snapshot in the zip archive open at `fd`, which stays the caller's. Throws `archive-invalid` when there is none,
 * or more than one.
 */
export async function zipContent(path: string, fd: number): Promise<ArchiveContent> {
  const zip = await reading(path, () => yauzl.fromFdPromise(fd, { lazyEntries: true, autoClose: false }));
  const entries = await reading(path, async () => {
    const found: yauzl.Entry[] = [];
    let read = 0;
    for await (const entry of zip.eachEntry()) {
      if (++read > MOST_READ) throw tooMany(path, `${MOST_READ} files and directories`);
      if (!entry.fileName.endsWith("/")) found.push(entry);
      if (found.length > MOST_ENTRIES) throw tooMany(path, `${MOST_ENTRIES} files`);
    }
    return found;
  });
  const entry = await pickSnapshot(path, zip, entries);
  return {
    entry: entry.fileName,
    claimedSize: entry.uncompressedSize,
    chunks: entryChunks(path, zip, entry),
    where: () => `${path} · entry "${entry.fileName}"`,
  };
}

function tooMany(path: string, what: string): MendError {
  return new MendError("archive-invalid", `"${path}" holds more than ${what}, expected one snapshot`, UNPACK);
}

const UNPACK = { hint: "unpack it, and pass the snapshot file that is in it" };

async function pickSnapshot(path: string, zip: yauzl.ZipFile, entries: readonly yauzl.Entry[]): Promise<yauzl.Entry> {
  if (entries.length === 1) return defined(entries[0]); // whatever it is: the snapshot reader says best what is wrong with it
  const snapshots: yauzl.Entry[] = [];
  for (const entry of entries) if (await looksLikeSnapshot(path, zip, entry)) snapshots.push(entry);
  if (snapshots.length === 1) return defined(snapshots[0]);
  const names = (list: readonly yauzl.Entry[]) =>
    list
      .slice(0, 10)
      .map((entry) => `"${entry.fileName}"`)
      .join(", ") + (list.length > 10 ? `, and ${list.length - 10} more` : "");
  if (snapshots.length > 1) {
    throw new MendError(
      "archive-invalid",
      `"${path}" holds ${snapshots.length} snapshots, expected one: ${names(snapshots)}`,
      UNPACK,
    );
  }
  throw new MendError(
    "archive-invalid",
    entries.length === 0 ? `"${path}" is an empty archive` : `"${path}" holds no snapshot: ${names(entries)}`,
  );
}

async function looksLikeSnapshot(path: string, zip: yauzl.ZipFile, entry: yauzl.Entry): Promise<boolean> {
  if (entry.isEncrypted() || entry.uncompressedSize < HEAD) return false;
  const head: Uint8Array[] = [];
  let length = 0;
  const stream = await openEntry(path, zip, entry);
  try {
    for await (const chunk of stream as AsyncIterable<Uint8Array>) {
      head.push(chunk);
      length += chunk.length;
      if (length >= HEAD) break;
    }
  } catch {
    return false; // damaged: whether it was the snapshot cannot be told
  } finally {
    stream.destroy();
  }
  const bytes = Buffer.concat(head);
  return bytes.length >= HEAD && bytes.readUInt32LE(16) === BOLT_MAGIC;
}

/** The entry's bytes. yauzl checks the length as it goes; the checksum is checked here. */
async function* entryChunks(path: string, zip: yauzl.ZipFile, entry: yauzl.Entry): AsyncIterable<Uint8Array> {
  if (entry.isEncrypted()) {
    throw new MendError("unsupported", `entry "${entry.fileName}" of "${path}" is protected with a password`, UNPACK);
  }
  let sum = 0;
  for await (const chunk of (await openEntry(path, zip, entry)) as AsyncIterable<Uint8Array>) {
    sum = crc32(chunk, sum);
    yield chunk;
  }
  if (sum !== entry.crc32) throw new Error("the checksum of its content does not match");
}

function openEntry(path: string, zip: yauzl.ZipFile, entry: yauzl.Entry) {
  return reading(path, () => zip.openReadStreamPromise(entry));
}

/** Runs a step of yauzl's, whose errors carry a sentence and no code. */
async function reading<T>(path: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (cause) {
    if (cause instanceof MendError) throw cause;
    const text = (cause instanceof Error ? cause.message : String(cause)).replace(/\.$/, "");
    throw new MendError(
      "archive-invalid",
      `"${path}" is not a readable zip archive: ${text[0]?.toLowerCase()}${text.slice(1)}`,
      { hint: "copy the archive again from where it was made, or use another backup", cause },
    );
  }
}
