/**
 * Signatures that `minisign -V` checks: Ed25519 over the BLAKE2b-512 of a file, with a trusted comment that is signed too.
 * Source of the format: https://jedisct1.github.io/minisign/ ("Minisign signature format").
 */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from "node:crypto";

const PREHASHED = Buffer.from("ED");
const PLAIN = Buffer.from("Ed");

export interface SigningKey {
  readonly key: KeyObject;
  /** Eight bytes that a signature and a public key share. */
  readonly id: Buffer;
}

/** From an Ed25519 key in PEM (PKCS #8). The id is made from the public key, so that it never has to be kept. */
export function readSigningKey(pem: string): SigningKey {
  const key = createPrivateKey(pem);
  if (key.asymmetricKeyType !== "ed25519") throw new Error(`the signing key is ${key.asymmetricKeyType}, not ed25519`);
  return { key, id: createHash("blake2b512").update(publicBytes(key)).digest().subarray(0, 8) };
}

/** The text of `NAME.minisig`. */
export function signature(bytes: Uint8Array, { key, id }: SigningKey, trustedComment: string): string {
  const signed = sign(undefined, createHash("blake2b512").update(bytes).digest(), key);
  const global = sign(undefined, Buffer.concat([signed, Buffer.from(trustedComment)]), key);
  return [
    "untrusted comment: signature of a kubemend release",
    Buffer.concat([PREHASHED, id, signed]).toString("base64"),
    `trusted comment: ${trustedComment}`,
    `${global.toString("base64")}\n`,
  ].join("\n");
}

/** The text of `kubemend.pub`; its second line is what `minisign -P` takes. */
export function publicKeyText({ key, id }: SigningKey): string {
  const encoded = Buffer.concat([PLAIN, id, publicBytes(key)]).toString("base64");
  return `untrusted comment: public key of kubemend releases\n${encoded}\n`;
}

function publicBytes(key: KeyObject): Buffer {
  return createPublicKey(key).export({ type: "spki", format: "der" }).subarray(-32);
}
