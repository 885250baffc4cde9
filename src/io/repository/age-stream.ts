/**
 * Files of age (C2SP's age.md, version 1) as streams. The header, with a file key wrapped for each recipient, is the
 * `age-encryption` package's; the payload, which is a key derived by HKDF-SHA-256 and pieces of 64 KiB under
 * ChaCha20-Poly1305, goes through OpenSSL, which is ten times faster than a cipher in JavaScript.
 */

import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";

const PIECE = 64 * 1024;
const TAG = 16;
const NONCE = 16;
const MOST_HEADER = 64 * 1024;

/** Encrypts for recipients, `age1…` each. Throws `config-invalid` for one that is none. */
export async function* encryptAge(
  content: AsyncIterable<Uint8Array>,
  recipients: readonly string[],
): AsyncGenerator<Uint8Array> {
  const { header, fileKey } = await newHeader(recipients);
  const nonce = randomBytes(NONCE);
  yield Buffer.concat([header, nonce]);
  const key = payloadKey(fileKey, nonce);
  let counter = 0;
  for await (const { piece, isLast } of pieces(content, PIECE)) {
    const cipher = createCipheriv("chacha20-poly1305", key, pieceNonce(counter++, isLast), { authTagLength: TAG });
    yield Buffer.concat([cipher.update(piece), cipher.final(), cipher.getAuthTag()]);
  }
}

/**
 * The inverse. Throws `identity-missing` where none of the identities (`AGE-SECRET-KEY-1…`) opens it,
 * `repository-damaged` where it was changed or is cut off; `where` names it.
 */
export async function* decryptAge(
  content: AsyncIterable<Uint8Array>,
  identities: readonly string[],
  where: string,
): AsyncGenerator<Uint8Array> {
  const source = content[Symbol.asyncIterator]();
  try {
    const { header, nonce, begun } = await splitHeader(source, where);
    const key = payloadKey(await openHeader(header, identities, where), nonce);
    let counter = 0;
    for await (const { piece, isLast } of pieces(restOf(begun, source), PIECE + TAG)) {
      if (piece.length < TAG) throw damaged(where, "it is cut off");
      const decipher = createDecipheriv("chacha20-poly1305", key, pieceNonce(counter++, isLast), {
        authTagLength: TAG,
      });
      decipher.setAuthTag(piece.subarray(piece.length - TAG));
      const plain = decipher.update(piece.subarray(0, piece.length - TAG));
      try {
        decipher.final();
      } catch (error) {
        throw damaged(where, isLast ? "it is cut off, or its end was changed" : "it was changed", error);
      }
      yield plain;
    }
  } finally {
    await source.return?.();
  }
}

async function newHeader(recipients: readonly string[]): Promise<{ header: Buffer; fileKey: Buffer }> {
  const { Encrypter } = await import("age-encryption");
  const encrypter = new Encrypter();
  let fileKey = Buffer.alloc(0);
  for (const recipient of recipients) {
    try {
      encrypter.addRecipient(recipient);
    } catch (error) {
      throw new MendError("config-invalid", `"${recipient}" is not an age recipient`, {
        hint: "give a public key that begins with age1",
        cause: error,
      });
    }
  }
  // One more recipient, for whom nothing is written, learns the key of the file.
  encrypter.addRecipient({
    wrapFileKey(key: Uint8Array) {
      fileKey = Buffer.from(key);
      return [];
    },
  });
  const empty = Buffer.from(await encrypter.encrypt(new Uint8Array(0)));
  return { header: empty.subarray(0, empty.length - NONCE - TAG), fileKey };
}

async function openHeader(header: Uint8Array, identities: readonly string[], where: string): Promise<Uint8Array> {
  const missing = (cause?: unknown): MendError =>
    new MendError("identity-missing", `"${where}" is encrypted, and no identity that was given opens it`, {
      where,
      hint: `pass the identity file that kubemend backup init wrote: ${input("identity")} FILE, or KUBEMEND_BACKUP_IDENTITY`,
      cause,
    });
  if (identities.length === 0) throw missing();
  const { Decrypter } = await import("age-encryption");
  const decrypter = new Decrypter();
  try {
    for (const identity of identities) decrypter.addIdentity(identity);
  } catch (error) {
    throw new MendError("config-invalid", "an identity is not an age identity", {
      hint: "the file must hold lines that begin with AGE-SECRET-KEY-1",
      cause: error,
    });
  }
  try {
    return await decrypter.decryptHeader(header);
  } catch (error) {
    throw missing(error);
  }
}

async function splitHeader(
  source: AsyncIterator<Uint8Array>,
  where: string,
): Promise<{ header: Buffer; nonce: Buffer; begun: Buffer }> {
  let begun = Buffer.alloc(0);
  for (;;) {
    const mac = begun.indexOf("\n--- ");
    const end = mac < 0 ? -1 : begun.indexOf(0x0a, mac + 1);
    if (end >= 0 && begun.length >= end + 1 + NONCE) {
      const header = begun.subarray(0, end + 1);
      const nonce = begun.subarray(end + 1, end + 1 + NONCE);
      return { header, nonce, begun: begun.subarray(end + 1 + NONCE) };
    }
    if (begun.length > MOST_HEADER) throw damaged(where, "it has no header of age's");
    const next = await source.next();
    if (next.done === true) throw damaged(where, "it is cut off");
    begun = Buffer.concat([begun, next.value]);
  }
}

async function* restOf(first: Uint8Array, source: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield first;
  for (let next = await source.next(); next.done !== true; next = await source.next()) yield next.value;
}

/** Pieces of exactly `size` bytes but the last, which is empty only where there is nothing at all. Each is valid until the next. */
async function* pieces(
  content: AsyncIterable<Uint8Array>,
  size: number,
): AsyncGenerator<{ readonly piece: Buffer; readonly isLast: boolean }> {
  const buffer = Buffer.allocUnsafeSlow(size);
  let filled = 0;
  for await (const chunk of content) {
    for (let at = 0; at < chunk.length; ) {
      if (filled === size) {
        yield { piece: buffer, isLast: false };
        filled = 0;
      }
      const part = chunk.subarray(at, at + size - filled);
      buffer.set(part, filled);
      filled += part.length;
      at += part.length;
    }
  }
  yield { piece: buffer.subarray(0, filled), isLast: true };
}

function payloadKey(fileKey: Uint8Array, nonce: Uint8Array): Buffer {
  return Buffer.from(hkdfSync("sha256", fileKey, nonce, "payload", 32));
}

/** An 88-bit counter, big-endian, and a byte that is 1 for the last piece. */
function pieceNonce(counter: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64BE(BigInt(counter), 3);
  nonce[11] = isLast ? 1 : 0;
  return nonce;
}

function damaged(where: string, text: string, cause?: unknown): MendError {
  return new MendError("repository-damaged", `"${where}" cannot be decrypted: ${text}`, {
    where,
    hint: "see all damage with kubemend backup verify",
    ...(cause === undefined ? {} : { cause }),
  });
}
