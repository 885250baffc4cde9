/**
 * Writes a compressed tar archive (POSIX.1-2001 `ustar` with `pax` headers for long names, gzip) through {@link
 * FileSystem}. A file that grows while it is read is taken as long as it was; one that shrinks is filled up with zeros,
 * as tar does.
 */

import { once } from "node:events";
import { closeSync, fstatSync, openSync, read } from "node:fs";
import { promisify } from "node:util";
import { createGzip } from "node:zlib";
import { defined } from "../../errors/defined.ts";
import { fromSystemError } from "../../errors/system-error.ts";
import type { FileSystem } from "./durable/file-system.ts";

const BLOCK = 512;
const CHUNK = 256 * 1024;
const readAt = promisify(read);

export type TarEntry =
  | { readonly name: string; readonly file: string }
  | { readonly name: string; readonly linkTo: string; readonly modified: number };

export interface TarResult {
  readonly files: number;
  /** Uncompressed. */
  readonly bytes: number;
}

export interface TarOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (bytes: number) => void;
}

/** Writes a new file and makes it last; it is the caller's to give it its final name. Files that have gone since are left out. */
export async function writeTarGzip(
  fs: FileSystem,
  path: string,
  entries: Iterable<TarEntry>,
  options: TarOptions = {},
): Promise<TarResult> {
  const output = fs.create(path, 0o600);
  const gzip = createGzip();
  let at = 0;
  let failure: unknown;
  gzip.on("data", (chunk: Buffer) => {
    try {
      if (failure !== undefined) return;
      output.write(chunk, at);
      at += chunk.length;
    } catch (error) {
      failure = error;
    }
  });
  const put = async (bytes: Uint8Array): Promise<void> => {
    if (failure !== undefined) throw failure;
    options.signal?.throwIfAborted();
    if (!gzip.write(bytes)) await once(gzip, "drain");
  };
  let files = 0;
  let bytes = 0;
  try {
    for (const entry of entries) {
      if ("linkTo" in entry) {
        await put(header(entry.name, { size: 0, modified: entry.modified, mode: 0o777, linkTo: entry.linkTo }));
        files++;
        continue;
      }
      const size = await addFile(entry, put, (done) => options.onProgress?.(bytes + done));
      if (size === undefined) continue;
      files++;
      bytes += size;
    }
    await put(Buffer.alloc(2 * BLOCK));
    gzip.end();
    await once(gzip, "end");
    if (failure !== undefined) throw failure;
    await output.sync();
  } finally {
    gzip.destroy();
    output.close();
  }
  return { files, bytes };
}

async function addFile(
  entry: { readonly name: string; readonly file: string },
  put: (bytes: Uint8Array) => Promise<void>,
  onProgress: (bytes: number) => void,
): Promise<number | undefined> {
  let descriptor: number;
  try {
    descriptor = openSync(entry.file, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw fromSystemError(error, "open", entry.file);
  }
  try {
    const { size, mtimeMs, mode } = fstatSync(descriptor);
    await put(header(entry.name, { size, modified: mtimeMs, mode }));
    for (let at = 0; at < size; ) {
      const chunk = Buffer.alloc(Math.min(CHUNK, size - at)); // a new one: gzip keeps it until it is done with it
      const { bytesRead } = await readAt(descriptor, chunk, 0, chunk.length, at);
      await put(bytesRead === 0 ? chunk : chunk.subarray(0, bytesRead));
      at += bytesRead === 0 ? chunk.length : bytesRead;
      onProgress(at);
    }
    if (size % BLOCK > 0) await put(Buffer.alloc(BLOCK - (size % BLOCK)));
    return size;
  } catch (error) {
    throw fromSystemError(error, "read", entry.file);
  } finally {
    closeSync(descriptor);
  }
}

interface HeaderFields {
  readonly size: number;
  /** Milliseconds. */
  readonly modified: number;
  readonly mode: number;
  readonly linkTo?: string;
}

const NAME_SIZE = 100;
/** The largest size that the eleven octal digits hold. */
const MOST_OCTAL = 0o77777777777;

/** One header, with a `pax` header before it where a name or the size does not fit. */
function header(name: string, fields: HeaderFields): Uint8Array {
  const extended: string[] = [];
  if (Buffer.byteLength(name) > NAME_SIZE) extended.push(paxRecord("path", name));
  if (Buffer.byteLength(fields.linkTo ?? "") > NAME_SIZE) extended.push(paxRecord("linkpath", defined(fields.linkTo)));
  if (fields.size > MOST_OCTAL) extended.push(paxRecord("size", String(fields.size)));
  const own = block(name, fields, fields.linkTo === undefined ? "0" : "2");
  if (extended.length === 0) return own;
  const content = Buffer.from(extended.join(""));
  const padded = Buffer.alloc(Math.ceil(content.length / BLOCK) * BLOCK);
  content.copy(padded);
  const before = block("././@PaxHeader", { ...fields, size: content.length, linkTo: "" }, "x");
  return Buffer.concat([before, padded, own]);
}

/** `LENGTH KEY=VALUE\n`, where the length counts itself. */
function paxRecord(key: string, value: string): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest;
  while (length !== rest + String(length).length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

function block(name: string, fields: HeaderFields, type: string): Buffer {
  const bytes = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, digits: number): void => {
    bytes.write(Math.floor(value).toString(8).padStart(digits, "0").slice(-digits), at, "latin1");
  };
  Buffer.from(name).copy(bytes, 0, 0, NAME_SIZE);
  octal(fields.mode & 0o777, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  octal(fields.size > MOST_OCTAL ? 0 : fields.size, 124, 11);
  octal(fields.modified / 1000, 136, 11);
  bytes.write(type, 156, "latin1");
  Buffer.from(fields.linkTo ?? "").copy(bytes, 157, 0, NAME_SIZE);
  bytes.write("ustar\u000000", 257, "latin1");
  bytes.fill(" ", 148, 156);
  const sum = bytes.reduce((all, byte) => all + byte, 0);
  octal(sum, 148, 6);
  bytes[154] = 0;
  return bytes;
}
