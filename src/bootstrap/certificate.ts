/**
 * X.509 certificates of a cluster: authorities, serving and client certificates, RSA or ECDSA (RFC 5280). Pure but for the random
 * bytes of keys and serial numbers: the times are arguments. Private keys leave here as PKCS #8 PEM, which Go's and OpenSSL's
 * readers take for both kinds of key.
 */
import {
  createHash,
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from "node:crypto";
import { MendError } from "../errors.ts";
import {
  decodeDer,
  derBits,
  derContext,
  derInteger,
  derNull,
  derOctets,
  derOid,
  derSequence,
  derSet,
  derText,
  derTime,
  derTrue,
} from "./der.ts";

/** Which kind of key to make. ECDSA is made in a millisecond, RSA in a tenth of a second or more. */
export type KeyAlgorithm = "ecdsa-p256" | "rsa-2048" | "rsa-4096";

export interface KeyPair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** PKCS #8 PEM. A secret. */
  readonly privateKeyPem: string;
  /** SubjectPublicKeyInfo PEM, as a service account's public key is given to the API server. */
  readonly publicKeyPem: string;
}

/** A certificate with the key that signs in its name. */
export interface SigningCertificate {
  readonly certificatePem: string;
  readonly privateKey: KeyObject;
}

/** What a certificate says. */
export interface CertificateRequest {
  readonly commonName: string;
  /** Kubernetes reads these as the groups of a client. */
  readonly organizations?: readonly string[];
  /** What it is for: `peer` is both server and client, as etcd members are to each other. */
  readonly use: "authority" | "server" | "client" | "peer";
  /** Subject alternative names: IP addresses (recognised by their form) and DNS names, in this order. */
  readonly names?: readonly string[];
  readonly notBefore: Date;
  readonly notAfter: Date;
}

export function generateKey(algorithm: KeyAlgorithm): KeyPair {
  const { privateKey, publicKey } =
    algorithm === "ecdsa-p256"
      ? generateKeyPairSync("ec", { namedCurve: "P-256" })
      : generateKeyPairSync("rsa", { modulusLength: algorithm === "rsa-2048" ? 2048 : 4096 });
  return {
    privateKey,
    publicKey,
    privateKeyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    publicKeyPem: publicKey.export({ type: "spki", format: "pem" }).toString(),
  };
}

/** A self-signed certificate, for an authority. Returns PEM. */
export function issueSelfSigned(request: CertificateRequest, key: KeyPair): string {
  const subject = encodeName(request);
  return assemble(request, subject, key.publicKey, { subject, keyId: keyIdOf(key.publicKey), key: key.privateKey });
}

/** A certificate for `publicKey`, signed by `issuer`. Returns PEM. Throws `certificate-invalid` if the issuer's cannot be read. */
export function issueCertificate(
  request: CertificateRequest,
  publicKey: KeyObject,
  issuer: SigningCertificate,
): string {
  const certificate = readCertificate(issuer.certificatePem);
  return assemble(request, encodeName(request), publicKey, {
    subject: subjectOf(certificate),
    keyId: keyIdOf(certificate.publicKey),
    key: issuer.privateKey,
  });
}

/** Checks that a given authority's certificate and key belong together and may sign; throws `certificate-invalid` with what is wrong. */
export function readAuthority(certificatePem: string, privateKeyPem: string): SigningCertificate {
  const certificate = readCertificate(certificatePem);
  if (!certificate.ca) {
    throw new MendError("certificate-invalid", `certificate "${certificate.subject}" is not an authority's`, {
      hint: "pass the certificate of the authority itself, with its own key",
    });
  }
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey(privateKeyPem);
  } catch (cause) {
    throw new MendError("certificate-invalid", "the private key of the authority cannot be read", {
      hint: "pass it as unencrypted PEM",
      cause,
    });
  }
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new MendError("certificate-invalid", `the private key does not belong to "${certificate.subject}"`, {
      hint: "pass the key that was made with this certificate",
    });
  }
  return { certificatePem, privateKey };
}

function readCertificate(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw new MendError("certificate-invalid", "the certificate of the authority cannot be read", {
      hint: "pass it as PEM",
      cause,
    });
  }
}

interface Issuer {
  readonly subject: Uint8Array;
  readonly keyId: Uint8Array;
  readonly key: KeyObject;
}

function assemble(request: CertificateRequest, subject: Uint8Array, publicKey: KeyObject, issuer: Issuer): string {
  const algorithm = signatureAlgorithm(issuer.key);
  const serial = randomBytes(16);
  serial[0] = (serial[0]! & 0x3f) | 0x40; // positive, and of one length
  const body = derSequence(
    derContext(0, true, derInteger(Uint8Array.of(2))), // version 3
    derInteger(serial),
    algorithm,
    issuer.subject,
    derSequence(derTime(request.notBefore), derTime(request.notAfter)),
    subject,
    publicKey.export({ type: "spki", format: "der" }),
    derContext(3, true, derSequence(...extensions(request, publicKey, issuer))),
  );
  const certificate = derSequence(body, algorithm, derBits(sign("sha256", body, issuer.key)));
  return pem("CERTIFICATE", certificate);
}

/** RFC 5758 and RFC 4055: ecdsa-with-SHA256 has no parameters, sha256WithRSAEncryption has NULL. */
function signatureAlgorithm(key: KeyObject): Uint8Array {
  switch (key.asymmetricKeyType) {
    case "ec":
      return derSequence(derOid("1.2.840.10045.4.3.2"));
    case "rsa":
      return derSequence(derOid("1.2.840.113549.1.1.11"), derNull());
    default:
      throw new MendError("unsupported", `an authority's key of type "${key.asymmetricKeyType}" cannot sign here`, {
        hint: "use an RSA or an ECDSA key",
      });
  }
}

const KEY_USAGE = { digitalSignature: 0x80, keyEncipherment: 0x20, keyCertSign: 0x04, crlSign: 0x02 } as const;
const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";

function extensions(request: CertificateRequest, publicKey: KeyObject, issuer: Issuer): Uint8Array[] {
  const authority = request.use === "authority";
  const usage = authority
    ? KEY_USAGE.digitalSignature | KEY_USAGE.keyCertSign | KEY_USAGE.crlSign
    : KEY_USAGE.digitalSignature | (publicKey.asymmetricKeyType === "rsa" ? KEY_USAGE.keyEncipherment : 0);
  const list = [
    extension("2.5.29.15", true, derBits(Uint8Array.of(usage), trailing(usage))),
    extension("2.5.29.19", true, authority ? derSequence(derTrue()) : derSequence()),
    extension("2.5.29.14", false, derOctets(keyIdOf(publicKey))),
    extension("2.5.29.35", false, derSequence(derContext(0, false, issuer.keyId))),
  ];
  const purposes = {
    authority: [],
    server: [SERVER_AUTH],
    client: [CLIENT_AUTH],
    peer: [SERVER_AUTH, CLIENT_AUTH],
  }[request.use];
  if (purposes.length > 0) list.push(extension("2.5.29.37", false, derSequence(...purposes.map(derOid))));
  const names = request.names ?? [];
  if (names.length > 0) list.push(extension("2.5.29.17", false, derSequence(...names.map(generalName))));
  return list;
}

/** How many zero bits end an octet: DER drops them from a named bit list. */
function trailing(octet: number): number {
  return 31 - Math.clz32(octet & -octet);
}

function extension(oid: string, critical: boolean, value: Uint8Array): Uint8Array {
  return critical ? derSequence(derOid(oid), derTrue(), derOctets(value)) : derSequence(derOid(oid), derOctets(value));
}

function generalName(name: string): Uint8Array {
  const address = addressBytes(name);
  return address === undefined ? derContext(2, false, new TextEncoder().encode(name)) : derContext(7, false, address);
}

/** The 4 or 16 bytes of an IP address in text, or undefined for anything else. */
export function addressBytes(text: string): Uint8Array | undefined {
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) {
    const octets = text.split(".").map(Number);
    return octets.every((octet) => octet < 256) ? Uint8Array.from(octets) : undefined;
  }
  if (!text.includes(":")) return undefined;
  const [head = "", tail, ...more] = text.split("::");
  if (more.length > 0) return undefined;
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const missing = 8 - left.length - right.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  const all = [...left, ...new Array<string>(missing).fill("0"), ...right];
  if (!all.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  return Uint8Array.from(all.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff]));
}

function groups(text: string): string[] {
  return text === "" ? [] : text.split(":");
}

function encodeName(request: CertificateRequest): Uint8Array {
  const attribute = (oid: string, text: string) => derSet(derSequence(derOid(oid), derText(text)));
  return derSequence(
    ...(request.organizations ?? []).map((organization) => attribute("2.5.4.10", organization)),
    attribute("2.5.4.3", request.commonName),
  );
}

/** The subject as its own bytes: an issuer's name must be repeated exactly, whatever string types it was written with. */
function subjectOf(certificate: X509Certificate): Uint8Array {
  const body = decodeDer(decodeDer(certificate.raw)[0]!.content)[0]!;
  const fields = decodeDer(body.content);
  const first = fields[0]?.tag === 0xa0 ? 1 : 0; // the version is left out of a version 1 certificate
  const subject = fields[first + 4];
  if (subject === undefined) throw new MendError("certificate-invalid", "the authority's certificate has no subject");
  return subject.whole;
}

/** SHA-1 of the public key's bits (RFC 5280, 4.2.1.2, method 1): an identifier, not a protection. */
function keyIdOf(publicKey: KeyObject): Uint8Array {
  const info = decodeDer(decodeDer(publicKey.export({ type: "spki", format: "der" }))[0]!.content);
  return createHash("sha1").update(info[1]!.content.subarray(1)).digest();
}

function pem(label: string, bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
