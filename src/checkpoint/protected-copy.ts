/**
 * The file that keeps a copy of a manifest and of what it mounts: a line of text that says how, then the files as JSON,
 * after its SHA-256 or, where a key is given, encrypted with AES-256-GCM (docs/formats/protected-manifests.md).
 */

import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes } from "node:crypto";
import { defined } from "../errors/defined.ts";
import { MendError } from "../errors/errors.ts";
import type { ProtectedFile } from "./protected-manifest.ts";

export interface ProtectedCopy {
  /** RFC 3339. */
  readonly taken: string;
  readonly manifest: ProtectedFile;
  /** What it mounts, sorted by path. */
  readonly files: readonly ProtectedFile[];
}

const MAGIC = "kubemend protected-manifest 1";
const PLAIN = `${MAGIC} plain`;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const DIGEST_BYTES = 32;
const TAG_BYTES = 16;
const LONGEST_LINE = 100;

/** The key in a key file: 32 bytes in base64. Throws `config-invalid`. */
export function readProtectionKey(text: string, where: string): Uint8Array {
  const key = /^[A-Za-z0-9+/]{43}=\s*$/.test(text) ? Buffer.from(text, "base64") : undefined;
  if (key?.length === KEY_BYTES) return key;
  throw new MendError("config-invalid", `"${where}" holds no key: expected ${KEY_BYTES} bytes in base64`, {
    where,
    hint: `make one with: head -c ${KEY_BYTES} /dev/urandom | base64`,
  });
}

export function encodeProtectedCopy(copy: ProtectedCopy, key: Uint8Array | undefined): Uint8Array {
  const plainFile = ({ bytes, ...file }: ProtectedFile) => ({ ...file, data: Buffer.from(bytes).toString("base64") });
  const { taken, manifest, files } = copy;
  const body = Buffer.from(JSON.stringify({ taken, manifest: plainFile(manifest), files: files.map(plainFile) }));
  if (key === undefined) return Buffer.concat([line(PLAIN), createHash("sha256").update(body).digest(), body]);
  const header = line(encryptedHeader(key));
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(header);
  const text = Buffer.concat([cipher.update(body), cipher.final()]);
  return Buffer.concat([header, nonce, cipher.getAuthTag(), text]);
}

/** `damaged`: it is not what was written; `locked`: it needs a key, or another one. */
export function decodeProtectedCopy(
  bytes: Uint8Array,
  key: Uint8Array | undefined,
): ProtectedCopy | "damaged" | "locked" {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const end = file.subarray(0, LONGEST_LINE).indexOf(0x0a) + 1;
  const header = file.toString("latin1", 0, Math.max(0, end - 1));
  if (!header.startsWith(`${MAGIC} `)) return "damaged";
  if (header !== PLAIN && (key === undefined || header !== encryptedHeader(key))) return "locked";
  const body = header === PLAIN ? verified(file.subarray(end)) : decrypted(file, end, defined(key));
  return body === undefined ? "damaged" : parse(body);
}

function verified(rest: Buffer): Buffer | undefined {
  const body = rest.subarray(DIGEST_BYTES);
  return createHash("sha256").update(body).digest().equals(rest.subarray(0, DIGEST_BYTES)) ? body : undefined;
}

function decrypted(file: Buffer, start: number, key: Uint8Array): Buffer | undefined {
  const nonceEnd = start + NONCE_BYTES;
  const textStart = nonceEnd + TAG_BYTES;
  if (file.length < textStart) return undefined;
  const options = { authTagLength: TAG_BYTES };
  const cipher = createDecipheriv("aes-256-gcm", key, file.subarray(start, nonceEnd), options)
    .setAAD(file.subarray(0, start))
    .setAuthTag(file.subarray(nonceEnd, textStart));
  try {
    return Buffer.concat([cipher.update(file.subarray(textStart)), cipher.final()]);
  } catch {
    return undefined;
  }
}

/** What was verified is what was written: its shape needs no check. */
function parse(body: Buffer): ProtectedCopy {
  const { taken, manifest, files } = JSON.parse(body.toString()) as {
    taken: string;
    manifest: StoredFile;
    files: StoredFile[];
  };
  const file = ({ data, ...rest }: StoredFile): ProtectedFile => ({ ...rest, bytes: Buffer.from(data, "base64") });
  return { taken, manifest: file(manifest), files: files.map(file) };
}

type StoredFile = Omit<ProtectedFile, "bytes"> & { readonly data: string };

/** Names the key without telling it. */
function encryptedHeader(key: Uint8Array): string {
  const id = createHmac("sha256", key).update(MAGIC).digest("hex").slice(0, 16);
  return `${MAGIC} aes-256-gcm ${id}`;
}

const line = (text: string): Buffer => Buffer.from(`${text}\n`);

/** Whether two copies hold the same files. */
export function isSameCopy(
  a: Pick<ProtectedCopy, "manifest" | "files">,
  b: Pick<ProtectedCopy, "manifest" | "files">,
): boolean {
  const same = (left: ProtectedFile, right: ProtectedFile | undefined): boolean =>
    right !== undefined &&
    left.path === right.path &&
    left.mode === right.mode &&
    left.uid === right.uid &&
    left.gid === right.gid &&
    Buffer.compare(left.bytes, right.bytes) === 0;
  return (
    same(a.manifest, b.manifest) &&
    a.files.length === b.files.length &&
    a.files.every((file, i) => same(file, b.files[i]))
  );
}
