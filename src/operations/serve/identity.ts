/**
 * What makes a server trusted by the clients that are given its kubeconfig, and by nobody else: an authority made for
 * this run, and a token.
 */
import { randomBytes, timingSafeEqual } from "node:crypto";
import { generateKey, issueCertificate, issueSelfSigned } from "../../certificates/issue.ts";

export interface Identity {
  readonly authorityPem: string;
  readonly certificatePem: string;
  readonly privateKeyPem: string;
  readonly token: string;
}

const YEAR_MS = 365 * 86_400_000;

/** `host` is where it listens. The authority's key is thrown away as soon as it has signed. */
export async function createIdentity(host: string, now: number): Promise<Identity> {
  const valid = { notBefore: new Date(now - 3_600_000), notAfter: new Date(now + YEAR_MS) };
  const [authorityKey, serverKey] = await Promise.all([generateKey("ecdsa-p256"), generateKey("ecdsa-p256")]);
  const authorityPem = await issueSelfSigned(
    { commonName: "kubemend serve", use: "authority", ...valid },
    authorityKey,
  );
  const names = [...new Set(["localhost", "127.0.0.1", ...(host === "0.0.0.0" || host === "::" ? [] : [host])])];
  const certificatePem = await issueCertificate(
    { commonName: "kubemend serve", use: "server", names, ...valid },
    serverKey.publicKey,
    { certificatePem: authorityPem, privateKey: authorityKey.privateKey },
  );
  return {
    authorityPem,
    certificatePem,
    privateKeyPem: serverKey.privateKeyPem,
    token: randomBytes(32).toString("base64url"),
  };
}

/** Takes as long for a wrong token as for the right one. */
export function isToken(given: string | undefined, token: string): boolean {
  const [a, b] = [Buffer.from(given ?? ""), Buffer.from(token)];
  return a.length === b.length && timingSafeEqual(a, b);
}
