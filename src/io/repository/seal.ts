/** What is stored of a content: compressed with zstd, then encrypted with age, and its SHA-256. */
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { promisify } from "node:util";
import * as zlib from "node:zlib";
import { MendError } from "../../errors/errors.ts";
import type { Content } from "../../repository/head.ts";
import { freeMemory } from "../files/free-memory.ts";
import { decryptAge, encryptAge } from "./age-stream.ts";

const LEVEL = 3;
const CHUNK = 1 << 18;
/** Pieces that are decompressed before they are taken. */
const AHEAD = 4;
/** Of zlib's, in bytes. */
const LEAST_CHUNK = 64;

export interface Sealed {
  readonly bytes: Uint8Array;
  readonly content: Content;
}

/** Seals what is in memory. `recipients` is null for a repository that is not encrypted. */
export async function sealBytes(plain: Uint8Array, recipients: readonly string[] | null): Promise<Sealed> {
  const seal = sealStream(one(plain), recipients);
  const parts: Uint8Array[] = [];
  for await (const part of seal.stored) parts.push(Buffer.from(part));
  return { bytes: Buffer.concat(parts), content: seal.content(null) };
}

export interface SealedStream {
  /** To be read to its end once. */
  readonly stored: AsyncIterable<Uint8Array>;
  /** Known when all was read. `object` is where it went. */
  content(object: string | null): Content;
}

export function sealStream(plain: AsyncIterable<Uint8Array>, recipients: readonly string[] | null): SealedStream {
  const hash = createHash("sha256");
  let plainSize = 0;
  let size = 0;
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const chunk of plain) {
      plainSize += chunk.length;
      yield chunk;
    }
  }
  async function* stored(): AsyncGenerator<Uint8Array> {
    const compressed = through(compressor(), counted());
    for await (const chunk of recipients === null ? compressed : encryptAge(compressed, recipients)) {
      size += chunk.length;
      hash.update(chunk);
      yield chunk;
    }
  }
  return {
    stored: stored(),
    content: (object) => ({
      size,
      sha256: hash.copy().digest("hex"),
      plainSize,
      compression: "zstd",
      encryption: recipients === null ? "none" : "age",
      object,
    }),
  };
}

/**
 * The plain bytes of what is stored, piece by piece, each valid until the next. Throws `repository-damaged` where it is
 * not what `content` says:
 * at the end, so nothing that came before may be relied on until then. `identities` may be empty where nothing is
 * encrypted.
 */
export async function* openSealed(
  stored: AsyncIterable<Uint8Array>,
  content: Content,
  identities: readonly string[],
  where: string,
): AsyncGenerator<Uint8Array> {
  let plainSize = 0;
  try {
    for await (const chunk of through(decompressor(), openCompressed(stored, content, identities, where))) {
      plainSize += chunk.length;
      if (plainSize > content.plainSize) break;
      yield chunk;
      // zlib fills one buffer after the other: what is at the end of one was the last of it.
      if (chunk.byteOffset + chunk.length === chunk.buffer.byteLength) freeMemory(chunk);
    }
  } catch (error) {
    throw notDecompressed(error, where);
  }
  if (plainSize !== content.plainSize) throw wrongSize(plainSize, content, where);
}

/** The whole content, in memory that is taken once: pieces that are joined cost the collector more than the work itself. */
export async function readSealed(
  stored: AsyncIterable<Uint8Array> | Uint8Array,
  content: Content,
  identities: readonly string[],
  where: string,
): Promise<Uint8Array> {
  const source = stored instanceof Uint8Array ? one(stored) : stored;
  const compressed = await joined(openCompressed(source, content, identities, where));
  needZstd();
  const most = content.plainSize + 1;
  let plain: Uint8Array;
  try {
    plain = await promisify(zlib.zstdDecompress)(compressed, {
      chunkSize: Math.max(LEAST_CHUNK, most),
      maxOutputLength: most,
    });
  } catch (error) {
    throw notDecompressed(error, where);
  }
  freeMemory(compressed); // not where it failed: then zlib may still be reading
  if (plain.length !== content.plainSize) throw wrongSize(plain.length, content, where);
  return plain;
}

/** What was compressed, checked at its end. */
function openCompressed(
  stored: AsyncIterable<Uint8Array>,
  content: Content,
  identities: readonly string[],
  where: string,
): AsyncIterable<Uint8Array> {
  const checked = checkStored(stored, content, where);
  return content.encryption === "age" ? decryptAge(checked, identities, where) : checked;
}

async function* checkStored(
  stored: AsyncIterable<Uint8Array>,
  content: Content,
  where: string,
): AsyncGenerator<Uint8Array> {
  const hash = createHash("sha256");
  let size = 0;
  for await (const chunk of stored) {
    size += chunk.length;
    if (size > content.size) break;
    hash.update(chunk);
    yield chunk;
  }
  const found = hash.digest("hex");
  if (size === content.size && found === content.sha256) return;
  const text =
    size === content.size
      ? "it does not match its SHA-256"
      : `it has ${sizeText(size, content)} of ${content.size} bytes`;
  throw new MendError("repository-damaged", `"${where}" was changed: ${text}`, {
    where,
    hint: "see all damage with kubemend backup verify",
  });
}

function notDecompressed(error: unknown, where: string): MendError {
  if (error instanceof MendError) return error;
  return new MendError("repository-damaged", `"${where}" cannot be decompressed`, { where, cause: error });
}

function wrongSize(found: number, content: Content, where: string): MendError {
  return new MendError("repository-damaged", `"${where}" holds ${found} bytes, expected ${content.plainSize}`, {
    where,
  });
}

/** Pieces that are valid until the next. */
async function joined(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const piece of pieces) {
    parts.push(Buffer.from(piece));
    size += piece.length;
  }
  const whole = Buffer.allocUnsafeSlow(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function sizeText(size: number, content: Content): string {
  return size > content.size ? `more than ${content.size}` : String(size);
}

export async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function* through(
  transform: zlib.ZstdCompress | zlib.ZstdDecompress,
  content: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const source = Readable.from(copied(content), { objectMode: false, highWaterMark: CHUNK });
  source.on("error", (error) => transform.destroy(error));
  source.pipe(transform);
  try {
    yield* transform as AsyncIterable<Uint8Array>;
  } finally {
    source.destroy();
    transform.destroy();
  }
}

/** A stream reads ahead of who uses it, and pieces are valid only until the next. */
async function* copied(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of content) yield Buffer.from(chunk);
}

function compressor(): zlib.ZstdCompress {
  needZstd();
  const { ZSTD_c_compressionLevel, ZSTD_c_checksumFlag } = zlib.constants;
  return zlib.createZstdCompress({
    chunkSize: CHUNK,
    params: { [ZSTD_c_compressionLevel]: LEVEL, [ZSTD_c_checksumFlag]: 1 },
  });
}

function decompressor(): zlib.ZstdDecompress {
  needZstd();
  // As objects, pieces are not joined to larger ones while they wait.
  const options = { chunkSize: CHUNK, readableObjectMode: true, readableHighWaterMark: AHEAD };
  return zlib.createZstdDecompress(options);
}

function needZstd(): void {
  if (typeof zlib.createZstdCompress === "function") return;
  throw new MendError("unsupported", "backup repositories need zstd, which this version of Node does not have", {
    hint: "use Node 22.15 or newer, or the executable",
  });
}
