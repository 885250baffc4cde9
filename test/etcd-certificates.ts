/** Throw-away certificates for etcd servers and clients. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { generateKey, issueCertificate, issueSelfSigned } from "../src/certificates/issue.ts";

export interface CertificateFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

const DAY = 86_400_000;

/** An authority and a certificate of it for `names`, as server and client, valid until `days` from now (or ago, where negative). */
export async function makeCertificates(
  directory: string,
  name: string,
  { days = 1, names = ["127.0.0.1"] }: { readonly days?: number; readonly names?: readonly string[] } = {},
): Promise<CertificateFiles> {
  const notBefore = new Date(Date.now() - 10 * DAY);
  const authorityKey = await generateKey("ecdsa-p256");
  const validity = { notBefore, notAfter: new Date(Date.now() + DAY) };
  const authority = await issueSelfSigned({ commonName: `${name}-ca`, use: "authority", ...validity }, authorityKey);
  const key = await generateKey("ecdsa-p256");
  const request = {
    commonName: name,
    use: "peer",
    names,
    notBefore,
    notAfter: new Date(Date.now() + days * DAY),
  } as const;
  const issuer = { certificatePem: authority, privateKey: authorityKey.privateKey };
  const files = {
    ca: join(directory, `${name}-ca.crt`),
    cert: join(directory, `${name}.crt`),
    key: join(directory, `${name}.key`),
  };
  writeFileSync(files.ca, authority);
  writeFileSync(files.cert, await issueCertificate(request, key.publicKey, issuer));
  writeFileSync(files.key, key.privateKeyPem);
  return files;
}
