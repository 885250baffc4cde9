/**
 * The ciphers of encryption at rest, one entry each with all that depends on it: how it is configured, how a value is
 * opened and how it is sealed. Source: k8s.io/apiserver/pkg/storage/value/encrypt. A value is `k8s:enc:NAME:v1:KEYNAME:`
 * and then what `seal` returns.
 */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { xsalsa20poly1305 } from "@noble/ciphers/salsa.js";

export interface Cipher {
  /** Bytes. */
  readonly keySizes: readonly number[];
  /** Decrypts what follows the header, or returns undefined when the key does not fit. */
  open(sealed: Uint8Array, secret: Uint8Array, etcdKey: string): Uint8Array | undefined;
  seal(plain: Uint8Array, secret: Uint8Array, etcdKey: string): Uint8Array;
}

export type CipherName = "aescbc" | "aesgcm" | "secretbox";

export const CIPHERS: Readonly<Record<CipherName, Cipher>> = {
  /** 16 bytes IV, then whole blocks with PKCS #7 padding. Nothing authenticates them, so what comes out must look like an object. */
  aescbc: {
    keySizes: [16, 24, 32],
    open(sealed, secret) {
      if (sealed.length < 32 || sealed.length % 16 !== 0) return undefined;
      try {
        const decipher = createDecipheriv(`aes-${secret.length * 8}-cbc`, secret, sealed.subarray(0, 16));
        const plain = Buffer.concat([decipher.update(sealed.subarray(16)), decipher.final()]);
        return looksLikeObject(plain) ? plain : undefined;
      } catch {
        return undefined; // wrong padding: node:crypto has no other reason here
      }
    },
    seal(plain, secret) {
      const iv = randomBytes(16);
      const cipher = createCipheriv(`aes-${secret.length * 8}-cbc`, secret, iv);
      return Buffer.concat([iv, cipher.update(plain), cipher.final()]);
    },
  },
  /** 12 bytes nonce, the ciphertext, 16 bytes tag; the etcd key is authenticated with it. */
  aesgcm: {
    keySizes: [16, 24, 32],
    open(sealed, secret, etcdKey) {
      if (sealed.length < 28) return undefined;
      const name = `aes-${secret.length * 8}-gcm` as "aes-256-gcm";
      const decipher = createDecipheriv(name, secret, sealed.subarray(0, 12), { authTagLength: 16 });
      decipher.setAAD(Buffer.from(etcdKey));
      decipher.setAuthTag(sealed.subarray(-16));
      const plain = decipher.update(sealed.subarray(12, -16));
      try {
        decipher.final();
        return plain;
      } catch {
        return undefined; // the tag does not match
      }
    },
    seal(plain, secret, etcdKey) {
      const nonce = randomBytes(12);
      const name = `aes-${secret.length * 8}-gcm` as "aes-256-gcm";
      const cipher = createCipheriv(name, secret, nonce, { authTagLength: 16 });
      cipher.setAAD(Buffer.from(etcdKey));
      return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
    },
  },
  /** 24 bytes nonce, then NaCl's box: 16 bytes tag, the ciphertext. */
  secretbox: {
    keySizes: [32],
    open(sealed, secret) {
      if (sealed.length < 40) return undefined;
      try {
        return xsalsa20poly1305(secret, sealed.subarray(0, 24)).decrypt(sealed.subarray(24));
      } catch {
        return undefined; // the tag does not match
      }
    },
    seal(plain, secret) {
      const nonce = randomBytes(24);
      return Buffer.concat([nonce, xsalsa20poly1305(secret, nonce).encrypt(plain)]);
    },
  },
};

export const CIPHER_NAMES = Object.keys(CIPHERS) as readonly CipherName[];

/** Protobuf's magic, JSON, CBOR's self-describing tag, or the text that YAML is. */
function looksLikeObject(plain: Uint8Array): boolean {
  if (Buffer.from("k8s\0").equals(plain.subarray(0, 4)) || plain[0] === 0x7b) return true;
  if (plain[0] === 0xd9 && plain[1] === 0xd9 && plain[2] === 0xf7) return true;
  return plain.length > 0 && plain.subarray(0, 16).every((byte) => byte === 0x0a || (byte >= 0x20 && byte < 0x7f));
}
