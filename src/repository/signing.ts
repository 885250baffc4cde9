/** Ed25519 (RFC 8032) keys of who writes to a repository, and HMACs made with them. */
import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from "node:crypto";
import { MendError } from "../errors/errors.ts";

const PUBLIC_PREFIX = "ed25519:";

export interface SigningKey {
  /** As {@link publicKeyText} writes it. */
  readonly publicKey: string;
  sign(bytes: Uint8Array): Uint8Array;
  /** A hash that only a holder of the key can compute: says that two things are the same without saying what they are. Hex. */
  fingerprint(bytes: Uint8Array): string;
}

/** A new key as a PEM file holds it (PKCS #8). */
export function generateSigningKey(): string {
  return generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }) as string;
}

/** The file of a key that was made for a repository: `address` is where that is to be. PEM passes over what is before it. */
export function encodeSigningKey(pem: string, repository: string, address: string): string {
  return [
    "# Adds to a kubemend backup repository: keep it on the nodes that do, readable by root alone.",
    `# repository: ${repository}`,
    `# address: ${JSON.stringify(address)}`,
    pem,
  ].join("\n");
}

/** What {@link encodeSigningKey} wrote besides the key; undefined for a PEM file that does not say it. */
export function signingKeyPurpose(text: string): { readonly repository: string; readonly address: string } | undefined {
  const [, repository, address] = /^# repository: ([0-9a-f]{32})\n# address: ("[^\n]*")$/m.exec(text) ?? [];
  if (repository === undefined || address === undefined) return undefined;
  try {
    return { repository, address: JSON.parse(address) as string };
  } catch {
    return undefined; // no text of JSON's: another program wrote it
  }
}

/** Reads the PEM of a key. Throws `config-invalid`. */
export function parseSigningKey(pem: string, where: string): SigningKey {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (error) {
    throw notASigningKey(where, error);
  }
  if (key.asymmetricKeyType !== "ed25519") throw notASigningKey(where);
  const secret = createHash("sha256")
    .update("kubemend fingerprint\n")
    .update(key.export({ type: "pkcs8", format: "der" }))
    .digest();
  return {
    publicKey: publicKeyText(createPublicKey(key)),
    sign: (bytes) => sign(null, bytes, key),
    fingerprint: (bytes) => createHmac("sha256", secret).update(bytes).digest("hex"),
  };
}

/** Whether `signature` of `bytes` was made with the key of which `publicKey` is the public half. */
export function isSignedBy(publicKey: string, bytes: Uint8Array, signature: Uint8Array): boolean {
  return verify(null, bytes, parsePublicKey(publicKey), signature);
}

/** A signature as text: base64. Undefined for a text that {@link signatureText} would not have written. */
export function readSignature(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, "base64");
  return bytes.length === 64 && bytes.toString("base64") === text ? bytes : undefined;
}

export function signatureText(signature: Uint8Array): string {
  return Buffer.from(signature).toString("base64");
}

const parsed = new Map<string, KeyObject>();

/** `ed25519:` and the key's 32 bytes in base64. Throws `config-invalid`. */
function parsePublicKey(text: string): KeyObject {
  const known = parsed.get(text);
  if (known !== undefined) return known;
  const raw = Buffer.from(text.slice(PUBLIC_PREFIX.length), "base64");
  if (!text.startsWith(PUBLIC_PREFIX) || raw.length !== 32) {
    throw new MendError("config-invalid", `"${text}" is not a public signing key`, {
      hint: "give ed25519: and 32 bytes in base64, as kubemend backup init printed it",
    });
  }
  const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: raw.toString("base64url") }, format: "jwk" });
  parsed.set(text, key);
  return key;
}

function publicKeyText(key: KeyObject): string {
  const { x } = key.export({ format: "jwk" });
  return PUBLIC_PREFIX + Buffer.from(x ?? "", "base64url").toString("base64");
}

function notASigningKey(where: string, cause?: unknown): MendError {
  return new MendError("config-invalid", `"${where}" is not an Ed25519 private key in PEM`, {
    where,
    hint: "use the signing key that kubemend backup init wrote",
    ...(cause === undefined ? {} : { cause }),
  });
}
