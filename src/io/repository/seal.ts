/** What is stored of a content: compressed with zstd, then encrypted with age, and its SHA-256. */
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import * as zlib from "node:zlib";
import { MendError } from "../../errors/errors.ts";
import type { Content } from "../../repository/head.ts";
import { decryptAge, encryptAge } from "./age-stream.ts";

const LEVEL = 3;
const CHUNK = 1 << 18;

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
 * The plain bytes of what is stored, piece by piece. Throws `repository-damaged` where it is not what `content` says:
 * at the end, so nothing that came before may be relied on until then. `identities` may be empty where nothing is
 * encrypted.
 */
export async function* openSealed(
  stored: AsyncIterable<Uint8Array>,
  content: Content,
  identities: readonly string[],
  where: string,
): AsyncGenerator<Uint8Array> {
  const hash = createHash("sha256");
  let size = 0;
  async function* checked(): AsyncGenerator<Uint8Array> {
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
  const compressed = content.encryption === "age" ? decryptAge(checked(), identities, where) : checked();
  let plainSize = 0;
  try {
    for await (const chunk of through(decompressor(), compressed)) {
      plainSize += chunk.length;
      if (plainSize > content.plainSize) break;
      yield chunk;
    }
  } catch (error) {
    if (error instanceof MendError) throw error;
    throw new MendError("repository-damaged", `"${where}" cannot be decompressed`, { where, cause: error });
  }
  if (plainSize !== content.plainSize) {
    throw new MendError("repository-damaged", `"${where}" holds ${plainSize} bytes, expected ${content.plainSize}`, {
      where,
    });
  }
}

/** The whole content in memory. */
export async function readSealed(
  stored: AsyncIterable<Uint8Array> | Uint8Array,
  content: Content,
  identities: readonly string[],
  where: string,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const source = stored instanceof Uint8Array ? one(stored) : stored;
  for await (const part of openSealed(source, content, identities, where)) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
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
  return zlib.createZstdDecompress({ chunkSize: CHUNK });
}

function needZstd(): void {
  if (typeof zlib.createZstdCompress === "function") return;
  throw new MendError("unsupported", "backup repositories need zstd, which this version of Node does not have", {
    hint: "use Node 22.15 or newer, or the executable",
  });
}
