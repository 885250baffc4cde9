/**
 * X.509 certificates of a cluster: authorities, serving and client certificates, RSA or ECDSA (RFC 5280), encoded by `@peculiar/x509`. Pure
 * but for the random bytes of keys and serial numbers: the times are arguments. Private keys leave here as PKCS #8 PEM, which Go's and
 * OpenSSL's readers take for both kinds of key.
 */

import {
  createPrivateKey,
  generateKeyPair,
  type KeyObject,
  randomBytes,
  type webcrypto,
  X509Certificate,
} from "node:crypto";
import { promisify } from "node:util";
import type { Extension, JsonGeneralNames, JsonNameParams, Name } from "@peculiar/x509";
import { defined } from "../errors/defined.ts";
import { MendError } from "../errors/errors.ts";
import { isAddress } from "../kube/ip-network.ts";

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

/** On another thread: an RSA key takes its time, and several can be made at once. */
export async function generateKey(algorithm: KeyAlgorithm): Promise<KeyPair> {
  const generate = promisify(generateKeyPair);
  const { privateKey, publicKey } =
    algorithm === "ecdsa-p256"
      ? await generate("ec", { namedCurve: "P-256" })
      : await generate("rsa", { modulusLength: algorithm === "rsa-2048" ? 2048 : 4096 });
  return {
    privateKey,
    publicKey,
    privateKeyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    publicKeyPem: publicKey.export({ type: "spki", format: "pem" }).toString(),
  };
}

/** A self-signed certificate, for an authority. Returns PEM. */
export async function issueSelfSigned(request: CertificateRequest, key: KeyPair): Promise<string> {
  const x509 = await loadLibrary();
  const name = new x509.Name(nameOf(request));
  return assemble(x509, request, key.publicKey, {
    name,
    keyId: await keyIdOf(x509, key.publicKey),
    key: key.privateKey,
  });
}

/** A certificate for `publicKey`, signed by `issuer`. Returns PEM. Throws `certificate-invalid` if the issuer's cannot be used. */
export async function issueCertificate(
  request: CertificateRequest,
  publicKey: KeyObject,
  issuer: SigningCertificate,
): Promise<string> {
  const x509 = await loadLibrary();
  const authority = readCertificate(issuer.certificatePem);
  const subject = subjectOf(authority);
  if (authority.validToDate <= request.notBefore) {
    const day = authority.validToDate.toISOString().slice(0, 10);
    throw new MendError("certificate-invalid", `the certificate of the authority "${subject}" expired on ${day}`, {
      hint: "pass one that is valid",
    });
  }
  const certificatePem = await assemble(x509, request, publicKey, {
    ...(await identityOf(x509, authority)),
    key: issuer.privateKey,
  });
  if (!new X509Certificate(certificatePem).checkIssued(authority)) {
    throw new MendError("certificate-invalid", `the subject of "${subject}" cannot be repeated as an issuer`, {
      hint: "use an authority whose subject is plain text",
    });
  }
  return certificatePem;
}

/** Checks that a given authority's certificate and key belong together and may sign; throws `certificate-invalid` with what is wrong. */
export function readAuthority(certificatePem: string, privateKeyPem: string): SigningCertificate {
  const certificate = readCertificate(certificatePem);
  if (!certificate.ca) {
    throw new MendError("certificate-invalid", `certificate "${subjectOf(certificate)}" is not an authority's`, {
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
    throw new MendError("certificate-invalid", `the private key does not belong to "${subjectOf(certificate)}"`, {
      hint: "pass the key that was made with this certificate",
    });
  }
  return { certificatePem, privateKey };
}

function readCertificate(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw unreadable(cause);
  }
}

function unreadable(cause: unknown): MendError {
  return new MendError("certificate-invalid", "the certificate of the authority cannot be read", {
    hint: "pass it as PEM",
    cause,
  });
}

/** On one line, such as `O=example, CN=kubernetes`. */
function subjectOf(certificate: X509Certificate): string {
  const lines: string | undefined = certificate.subject; // undefined where it is empty
  return lines?.replaceAll("\n", ", ") ?? "";
}

interface Issuer {
  readonly name: Name;
  /** Hexadecimal. */
  readonly keyId: string;
  readonly key: KeyObject;
}

type Library = typeof import("@peculiar/x509");

/** Loaded when the first certificate is made: it takes longer than the rest of the program, and wants `Reflect` extended. */
async function loadLibrary(): Promise<Library> {
  await import("reflect-metadata");
  return import("@peculiar/x509");
}

async function assemble(
  x509: Library,
  request: CertificateRequest,
  publicKey: KeyObject,
  issuer: Issuer,
): Promise<string> {
  const serial = randomBytes(16);
  serial[0] = (defined(serial[0]) & 0x7f) | 0x40; // positive, and of one length
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial.toString("hex"),
    subject: new x509.Name(nameOf(request)),
    issuer: issuer.name,
    notBefore: request.notBefore,
    notAfter: request.notAfter,
    publicKey: publicKey.export({ type: "spki", format: "der" }),
    signingKey: signingKey(issuer.key),
    extensions: await extensions(x509, request, publicKey, issuer),
  });
  return `${certificate.toString("pem")}\n`;
}

/** An authority's name and key id, both as it has them: others must repeat them as they are. */
async function identityOf(x509: Library, authority: X509Certificate): Promise<Pick<Issuer, "name" | "keyId">> {
  try {
    const parsed = new x509.X509Certificate(authority.raw);
    // Not everybody's is the SHA-1 that ours is (RFC 5280, 4.2.1.2).
    const given = parsed.getExtension(x509.SubjectKeyIdentifierExtension);
    return { name: parsed.subjectName, keyId: given?.keyId ?? (await keyIdOf(x509, authority.publicKey)) };
  } catch (cause) {
    throw unreadable(cause);
  }
}

/** The curves of Web Crypto by OpenSSL's names of them. */
const CURVES: Readonly<Record<string, string>> = { prime256v1: "P-256", secp384r1: "P-384", secp521r1: "P-521" };

function signingKey(key: KeyObject): webcrypto.CryptoKey {
  const namedCurve = CURVES[key.asymmetricKeyDetails?.namedCurve ?? ""];
  if (key.asymmetricKeyType === "rsa") {
    return key.toCryptoKey({ name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }, false, ["sign"]);
  }
  if (namedCurve !== undefined) return key.toCryptoKey({ name: "ECDSA", namedCurve }, false, ["sign"]);
  const kind = [key.asymmetricKeyType, key.asymmetricKeyDetails?.namedCurve].filter(Boolean).join(" ");
  throw new MendError("unsupported", `an authority's key of type "${kind}" cannot sign here`, {
    hint: "use an RSA key, or an ECDSA key of P-256, P-384 or P-521",
  });
}

async function extensions(
  x509: Library,
  request: CertificateRequest,
  publicKey: KeyObject,
  issuer: Issuer,
): Promise<Extension[]> {
  const { digitalSignature, keyEncipherment, keyCertSign, cRLSign } = x509.KeyUsageFlags;
  const { serverAuth, clientAuth } = x509.ExtendedKeyUsage;
  const authority = request.use === "authority";
  const usage = authority
    ? digitalSignature | keyCertSign | cRLSign
    : digitalSignature | (publicKey.asymmetricKeyType === "rsa" ? keyEncipherment : 0);
  const list: Extension[] = [
    new x509.KeyUsagesExtension(usage, true),
    new x509.BasicConstraintsExtension(authority, undefined, true),
    new x509.SubjectKeyIdentifierExtension(await keyIdOf(x509, publicKey)),
    new x509.AuthorityKeyIdentifierExtension(issuer.keyId),
  ];
  const purposes = {
    authority: [],
    server: [serverAuth],
    client: [clientAuth],
    peer: [serverAuth, clientAuth],
  }[request.use];
  if (purposes.length > 0) list.push(new x509.ExtendedKeyUsageExtension(purposes));
  const names: JsonGeneralNames = (request.names ?? []).map((value) => ({
    type: isAddress(value) ? "ip" : "dns",
    value,
  }));
  if (names.length > 0) list.push(new x509.SubjectAlternativeNameExtension(names));
  return list;
}

/** SHA-1 of the public key's bits (RFC 5280, 4.2.1.2, method 1), as hexadecimal: an identifier, not a protection. */
async function keyIdOf(x509: Library, publicKey: KeyObject): Promise<string> {
  const key = new x509.PublicKey(publicKey.export({ type: "spki", format: "der" }));
  return Buffer.from(await key.getKeyIdentifier()).toString("hex");
}

/** Always UTF-8, and as it stands: given mere strings, the library takes quotes, backslashes and a leading # for syntax. */
function nameOf({ organizations = [], commonName }: CertificateRequest): JsonNameParams {
  return [...organizations.map((utf8String) => ({ O: [{ utf8String }] })), { CN: [{ utf8String: commonName }] }];
}
