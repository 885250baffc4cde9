/**
 * The certificates and keys of one cluster, as files in the bed: made with the same code that `kubemend render` uses,
 * with ECDSA for speed.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type CertificateRequest,
  generateKey,
  issueCertificate,
  issueSelfSigned,
  type KeyPair,
  type SigningCertificate,
} from "../src/certificates/issue.ts";

const DAY = 24 * 3600 * 1000;

/** A certificate with its key, as PEM and as files. */
export interface Credential {
  readonly certificate: string;
  readonly key: string;
  readonly certificatePath: string;
  readonly keyPath: string;
}

/** An authority in a directory of its own, which issues credentials into the same directory. */
export class Authority {
  readonly directory: string;
  readonly certificate: string;
  readonly key: string;
  readonly certificatePath: string;
  readonly keyPath: string;
  readonly #signing: SigningCertificate;

  private constructor(directory: string, certificate: string, key: KeyPair) {
    this.directory = directory;
    this.certificate = certificate;
    this.key = key.privateKeyPem;
    this.certificatePath = write(join(directory, "ca.crt"), this.certificate);
    this.keyPath = write(join(directory, "ca.key"), this.key);
    this.#signing = { certificatePem: this.certificate, privateKey: key.privateKey };
  }

  static async create(directory: string, commonName: string): Promise<Authority> {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const key = await generateKey("ecdsa-p256");
    return new Authority(directory, await issueSelfSigned({ commonName, use: "authority", ...validity() }, key), key);
  }

  async issue(
    file: string,
    request: Pick<CertificateRequest, "commonName" | "use" | "organizations" | "names"> &
      Partial<Pick<CertificateRequest, "notBefore" | "notAfter">>,
  ): Promise<Credential> {
    const key = await generateKey("ecdsa-p256");
    const certificate = await issueCertificate({ ...validity(), ...request }, key.publicKey, this.#signing);
    return {
      certificate,
      key: key.privateKeyPem,
      certificatePath: write(join(this.directory, `${file}.crt`), certificate),
      keyPath: write(join(this.directory, `${file}.key`), key.privateKeyPem),
    };
  }
}

/** A key pair without a certificate: what signs service account tokens. */
export async function writeSigningKey(
  directory: string,
  file: string,
): Promise<{ readonly privatePath: string; readonly publicPath: string }> {
  const key = await generateKey("ecdsa-p256");
  return {
    privatePath: write(join(directory, `${file}.key`), key.privateKeyPem),
    publicPath: write(join(directory, `${file}.pub`), key.publicKeyPem),
  };
}

/** A kubeconfig for one client certificate, everything embedded. */
export function kubeconfig(server: string, authority: Authority, client: Credential): string {
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  return `apiVersion: v1
kind: Config
clusters:
- name: testbed
  cluster:
    server: ${server}
    certificate-authority-data: ${base64(authority.certificate)}
users:
- name: client
  user:
    client-certificate-data: ${base64(client.certificate)}
    client-key-data: ${base64(client.key)}
contexts:
- name: testbed
  context: {cluster: testbed, user: client}
current-context: testbed
`;
}

/** From an hour ago, for clocks that disagree, to ten years from now. */
function validity(): { notBefore: Date; notAfter: Date } {
  const now = Date.now();
  return { notBefore: new Date(now - 3_600_000), notAfter: new Date(now + 3650 * DAY) };
}

function write(path: string, text: string): string {
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}
