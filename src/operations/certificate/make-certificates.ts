/**
 * What is lost of a node's certificates, keys and kubeconfigs, made in memory: each file whose authority can sign it, the
 * reason for each that cannot be made, and the facts that nobody knows.
 */

import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from "node:crypto";
import { existsSync, lstatSync, readlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import {
  type CertificateRequest,
  generateKey,
  issueCertificate,
  readAuthority,
  type SigningCertificate,
} from "../../certificates/issue.ts";
import {
  AUTHORITIES,
  type AuthorityName,
  CERTIFICATES,
  KUBECONFIGS,
  KUBELET_CONFIG,
  kubeletUser,
  type NodeIdentity,
} from "../../certificates/kubeadm.ts";
import { renewCertificate } from "../../certificates/renewal.ts";
import { defined } from "../../errors/defined.ts";
import { MendError } from "../../errors/errors.ts";
import { certificateAuthorities, certificateOf } from "../../io/files/certificate-files.ts";
import { type FoundIdentity, findIdentity, hostOf } from "../../io/files/kubeadm-identity.ts";
import { readTextFile } from "../../io/files/read-file.ts";
import { type IssueOptions, type IssueResult, type MissingFact, MissingFacts } from "./issue-options.ts";
import { base64, kubeconfigText } from "./kubeconfig-text.ts";
import { type CertificateState, listCertificates, noKubernetes } from "./list-certificates.ts";

const DAY_MS = 86_400_000;
/** For clocks that disagree. */
const EARLIER_MS = 5 * 60_000;
const LOST_STATES: readonly CertificateState[] = [
  "missing",
  "unreadable",
  "key-missing",
  "key-mismatch",
  "wrong-authority",
];

export interface MadeFile {
  readonly name: string;
  readonly file: string;
  readonly text: string;
  readonly mode: number;
  readonly subject: string;
  readonly notAfter: string | null;
}

export class CertificateMaker {
  readonly lost: IssueResult["lost"][number][] = [];
  readonly found: FoundIdentity;
  readonly #options: IssueOptions;
  readonly #outputs: MadeFile[] = [];
  readonly #missing = new Set<MissingFact>();

  constructor(options: IssueOptions) {
    this.#options = options;
    const found = findIdentity(options.kubernetesDir, options.kubeletDir);
    const given = Object.fromEntries(Object.entries(options.given).filter(([, value]) => value !== undefined));
    const { endpoint } = options.given;
    const common = endpoint === undefined ? undefined : hostOf(endpoint);
    const otherNames = [
      ...(options.given.otherNames ?? []),
      ...(common === undefined ? [] : [common]),
      ...(found.otherNames ?? []),
    ];
    this.found = { ...found, ...given, otherNames };
  }

  async makeAll(): Promise<MadeFile[]> {
    const list = listCertificates(this.#options, this.#options.now);
    if (!list.hasKubernetes) throw noKubernetes(this.#options);
    const known = [...list.certificates.map(({ name }) => name), ...KUBECONFIGS.map(({ file }) => file)];
    const unknown = this.#options.names.filter((name) => !known.includes(name));
    if (unknown.length > 0) {
      throw new MendError("usage", `there is no certificate "${unknown[0]}" on such a node`, {
        hint: `name some of ${[...new Set(known)].join(", ")}`,
      });
    }
    const states = new Map(list.certificates.map(({ name, state }) => [name, state]));
    const isWanted = (name: string) => {
      if (this.#options.names.length > 0) return this.#options.names.includes(name);
      return (this.#options.states ?? LOST_STATES).includes(states.get(name) ?? "valid");
    };
    this.#restoreAuthorities();
    if (this.#options.to !== undefined) {
      await this.#foreignKubelet(this.#options.to);
      if (this.#missing.size > 0) throw new MissingFacts([...this.#missing]);
      return this.#outputs;
    }
    this.#makePublicKey();
    for (const each of CERTIFICATES) if (isWanted(each.name)) await this.#certificate(each);
    for (const each of KUBECONFIGS) if (isWanted(each.file)) await this.#kubeconfig(each);
    if (isWanted(KUBELET_CONFIG)) await this.#kubelet();
    if (this.#missing.size > 0) throw new MissingFacts([...this.#missing]);
    return this.#outputs;
  }

  #at(path: string): string {
    return join(this.#options.kubernetesDir, path);
  }

  /** An authority's certificate is in every kubeconfig: where its key is here, it comes back from there. */
  #restoreAuthorities(): void {
    const { certificate, key, name } = defined(AUTHORITIES[0]);
    if (existsSync(this.#at(certificate)) || !existsSync(this.#at(key))) return;
    const privateKey = createPrivateKey(readTextFile(this.#at(key)));
    const configs = [...KUBECONFIGS.map(({ file }) => file), KUBELET_CONFIG].map((file) => this.#at(file));
    const own = configs.flatMap(certificateAuthorities).find((each) => each.checkPrivateKey(privateKey));
    if (own === undefined) return;
    this.#add({ name, file: this.#at(certificate), text: own.toString(), mode: 0o644 }, own);
  }

  #makePublicKey(): void {
    const [key, file] = [this.#at("pki/sa.key"), this.#at("pki/sa.pub")];
    if (!existsSync(key) || existsSync(file) || this.#options.names.length > 0) return;
    const text = createPublicKey(createPrivateKey(readTextFile(key)))
      .export({ type: "spki", format: "pem" })
      .toString();
    this.#outputs.push({
      name: "sa.pub",
      file,
      text,
      mode: 0o600,
      subject: "the key of service accounts' tokens",
      notAfter: null,
    });
  }

  /** Undefined, and noted, where it cannot sign. */
  #authority(
    name: AuthorityName,
    lost: { readonly name: string; readonly file: string },
  ): SigningCertificate | undefined {
    const { certificate, key, loss } = defined(AUTHORITIES.find((each) => each.name === name));
    const restored = this.#outputs.find(({ file }) => file === this.#at(certificate))?.text;
    const why = !existsSync(this.#at(key))
      ? `${this.#at(key)} is lost: copy it from another control-plane node or a backup (kubeadm keeps ` +
        `it for two hours in the secret kube-system/kubeadm-certs); else ${loss}`
      : restored === undefined && !existsSync(this.#at(certificate))
        ? `${this.#at(certificate)} is lost, and no kubeconfig holds it: copy it from any node`
        : undefined;
    if (why !== undefined) {
      this.lost.push({ ...lost, why });
      return undefined;
    }
    return readAuthority(restored ?? readTextFile(this.#at(certificate)), readTextFile(this.#at(key)));
  }

  async #certificate({ name, certificate, key, authority, request }: (typeof CERTIFICATES)[number]): Promise<void> {
    const [file, keyFile] = [this.#at(certificate), this.#at(key)];
    const signer = this.#authority(authority, { name, file });
    if (signer === undefined) return;
    const pair = await keyAt(keyFile, signer);
    const old = certificateOf(file);
    const isOurs =
      old?.checkIssued(new X509Certificate(signer.certificatePem)) === true && this.#options.names.length === 0;
    // One that is there says for whom it was, better than anything else does.
    const pem = isOurs
      ? await renewCertificate(old, signer, this.#validity(), pair.publicKey)
      : await this.#issue(request(this.#identity(certificate)), pair.publicKey, signer);
    if (pair.pem !== undefined) {
      this.#outputs.push({ name, file: keyFile, text: pair.pem, mode: 0o600, subject: "private key", notAfter: null });
    }
    this.#add({ name, file, text: pem, mode: 0o644 }, new X509Certificate(pem));
  }

  async #kubeconfig({ file, user, calls }: (typeof KUBECONFIGS)[number]): Promise<void> {
    const path = this.#at(file);
    const signer = this.#authority("ca", { name: file, file: path });
    if (signer === undefined) return;
    const own = user(this.#identity(file));
    const { certificate, key } = await this.#client(own, signer);
    const credentials = {
      "client-certificate-data": base64(certificate),
      "client-key-data": base64(key),
    };
    const server = calls === "own" ? this.#ownServer() : (this.found.endpoint ?? this.#ownServer());
    const text = kubeconfigText(own.commonName, server, signer.certificatePem, credentials);
    this.#add({ name: file, file: path, text, mode: 0o600 }, new X509Certificate(certificate));
  }

  /** The kubelet's certificate and key are in one file of its own, which it renews itself from then on. */
  async #kubelet(): Promise<void> {
    const config = this.#at(KUBELET_CONFIG);
    const current = join(this.#options.kubeletDir, "pki/kubelet-client-current.pem");
    const signer = this.#authority("ca", { name: KUBELET_CONFIG, file: current });
    if (signer === undefined) return;
    const user = kubeletUser(this.#fact("node") ?? "");
    const { certificate, key } = await this.#client(user, signer);
    const file = linkedTo(current);
    this.#add(
      { name: KUBELET_CONFIG, file, text: `${certificate}${key}`, mode: 0o600 },
      new X509Certificate(certificate),
    );
    if (existsSync(config) && this.#options.names.length === 0) return;
    const credentials = { "client-certificate": current, "client-key": current };
    const text = kubeconfigText(user.commonName, this.#ownServer(), signer.certificatePem, credentials);
    this.#outputs.push({
      name: KUBELET_CONFIG,
      file: config,
      text,
      mode: 0o600,
      subject: user.commonName,
      notAfter: null,
    });
  }

  /** For a node without an authority's key: everything in one file, from which its kubelet continues by itself. */
  async #foreignKubelet(directory: string): Promise<void> {
    const file = join(directory, KUBELET_CONFIG);
    const signer = this.#authority("ca", { name: KUBELET_CONFIG, file });
    if (signer === undefined) return;
    const node = this.#options.given.node;
    if (node === undefined) this.#missing.add("node");
    const user = kubeletUser(node ?? "");
    const { certificate, key } = await this.#client(user, signer);
    const credentials = { "client-certificate-data": base64(certificate), "client-key-data": base64(key) };
    const server = this.found.endpoint ?? this.#ownServer();
    const text = kubeconfigText(user.commonName, server, signer.certificatePem, credentials);
    this.#add({ name: KUBELET_CONFIG, file, text, mode: 0o600 }, new X509Certificate(certificate));
  }

  async #client(
    { commonName, organizations }: { readonly commonName: string; readonly organizations: readonly string[] },
    signer: SigningCertificate,
  ): Promise<{ readonly certificate: string; readonly key: string }> {
    const pair = await generateKey("rsa-2048");
    const certificate = await this.#issue({ commonName, organizations, use: "client" }, pair.publicKey, signer);
    return { certificate, key: pair.privateKeyPem };
  }

  #issue(
    request: Omit<CertificateRequest, "notBefore" | "notAfter">,
    key: KeyObject,
    signer: SigningCertificate,
  ): Promise<string> {
    const ends = Math.min(
      this.#validity().notAfter.getTime(),
      new X509Certificate(signer.certificatePem).validToDate.getTime(),
    );
    return issueCertificate({ ...request, ...this.#validity(), notAfter: new Date(ends) }, key, signer);
  }

  #validity(): { readonly notBefore: Date; readonly notAfter: Date } {
    const { now, days } = this.#options;
    return { notBefore: new Date(now - EARLIER_MS), notAfter: new Date(now + days * DAY_MS) };
  }

  #add(output: Omit<MadeFile, "subject" | "notAfter">, certificate: X509Certificate): void {
    const subject = certificate.subject.replaceAll("\n", ", ");
    this.#outputs.push({ ...output, subject, notAfter: certificate.validToDate.toISOString() });
  }

  /** Facts that are not needed for this file are not asked for. */
  #identity(file: string): NodeIdentity {
    const isServed = file === "pki/apiserver.crt";
    const isEtcds = /^pki\/etcd\/(?:server|peer)\.crt$/.test(file);
    const isGrouped = [
      "admin.conf",
      "pki/apiserver-kubelet-client.crt",
      "pki/apiserver-etcd-client.crt",
      "pki/etcd/healthcheck-client.crt",
    ].includes(file);
    return {
      node: (isServed || isEtcds ? this.#fact("node") : this.found.node) ?? "",
      address: (isServed || isEtcds ? this.#fact("address") : this.found.address) ?? "",
      serviceAddress: (isServed ? this.#fact("serviceAddress") : this.found.serviceAddress) ?? "",
      domain: this.found.domain ?? "cluster.local",
      otherNames: this.found.otherNames ?? [],
      minor: (isGrouped ? this.#fact("minor") : this.found.minor) ?? 0,
    };
  }

  #fact<Fact extends MissingFact>(fact: Fact): FoundIdentity[Fact] {
    if (this.found[fact] === undefined) this.#missing.add(fact);
    return this.found[fact];
  }

  #ownServer(): string {
    const address = this.#fact("address") ?? "";
    return `https://${address.includes(":") ? `[${address}]` : address}:${this.found.port}`;
  }
}

/** The key that is there, where it can be read; else a new one, of the kind that its authority has. */
async function keyAt(
  file: string,
  { privateKey }: SigningCertificate,
): Promise<{ readonly publicKey: KeyObject; readonly pem: string | undefined }> {
  if (existsSync(file)) {
    try {
      return { publicKey: createPublicKey(createPrivateKey(readTextFile(file))), pem: undefined };
    } catch {
      // No key at all: it is replaced, and kept beside.
    }
  }
  const pair = await generateKey(privateKey.asymmetricKeyType === "ec" ? "ecdsa-p256" : "rsa-2048");
  return { publicKey: pair.publicKey, pem: pair.privateKeyPem };
}

/** Where the kubelet's link leads, beside it: the kubelet makes a file and a link to it. */
function linkedTo(current: string): string {
  const isLink = lstatSync(current, { throwIfNoEntry: false })?.isSymbolicLink() === true;
  return isLink && !existsSync(current) ? join(dirname(current), basename(readlinkSync(current))) : current;
}
