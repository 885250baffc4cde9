/** The certificates, keys and kubeconfigs of a new cluster, under bootkube's paths in the asset dir. */
import { randomInt } from "node:crypto";
import {
  type CertificateRequest,
  generateKey,
  issueCertificate,
  issueSelfSigned,
  readAuthority,
  type SigningCertificate,
} from "../../certificates/issue.ts";
import { MendError } from "../../errors/errors.ts";
import type { Cluster } from "./cluster.ts";

/** What the user has already; each as PEM. */
export interface GivenFiles {
  readonly authority?: { readonly certificate: string; readonly key: string };
  readonly etcdClient?: { readonly authority: string; readonly certificate: string; readonly key: string };
}

/** `tls/...` by path below it, as PEM. All but the certificates and `service-account.pub` are secrets. */
export type TlsFiles = ReadonlyMap<string, string>;

const ADMINISTRATORS = "system:masters";

/** One certificate to issue, and the file it goes to, without its ending. */
interface Order {
  readonly file: string;
  readonly by: SigningCertificate;
  readonly request: Omit<CertificateRequest, "notBefore" | "notAfter">;
}

export async function makeTlsFiles(cluster: Cluster, given: GivenFiles): Promise<TlsFiles> {
  const files = new Map<string, string>();
  const authority = given.authority ?? (await makeAuthority(cluster, "kubernetes-ca"));
  const signing = readAuthority(authority.certificate, authority.key);
  files.set("ca.crt", authority.certificate);
  files.set("ca.key", authority.key);
  // Of its own, or every client of the cluster could speak for every user.
  const frontProxy = await makeAuthority(cluster, "front-proxy-ca");
  files.set("front-proxy-ca.crt", frontProxy.certificate);

  const orders: Order[] = [
    {
      file: "apiserver",
      by: signing,
      request: { commonName: "kube-apiserver", use: "server", names: cluster.servingNames },
    },
    {
      file: "apiserver-kubelet-client",
      by: signing,
      request: { commonName: "kube-apiserver-kubelet-client", organizations: [ADMINISTRATORS], use: "client" },
    },
    { file: "admin", by: signing, request: { commonName: "admin", organizations: [ADMINISTRATORS], use: "client" } },
    {
      file: "front-proxy-client",
      by: readAuthority(frontProxy.certificate, frontProxy.key),
      request: { commonName: "front-proxy-client", use: "client" },
    },
  ];
  if (cluster.etcdTls) orders.push(...addEtcdFiles(cluster, given, files, authority.certificate, signing));
  await Promise.all(orders.map((order) => issue(cluster, order, files)));

  const serviceAccount = await generateKey(cluster.keyAlgorithm);
  files.set("service-account.key", serviceAccount.privateKeyPem);
  files.set("service-account.pub", serviceAccount.publicKeyPem);
  return files;
}

async function issue(cluster: Cluster, { file, by, request }: Order, files: Map<string, string>): Promise<void> {
  const { notBefore, notAfter } = cluster;
  const key = await generateKey(cluster.keyAlgorithm);
  files.set(`${file}.crt`, await issueCertificate({ ...request, notBefore, notAfter }, key.publicKey, by));
  files.set(`${file}.key`, key.privateKeyPem);
}

/** Returns what is still to be issued. */
function addEtcdFiles(
  cluster: Cluster,
  given: GivenFiles,
  files: Map<string, string>,
  authority: string,
  by: SigningCertificate,
): Order[] {
  if (given.etcdClient !== undefined) {
    files.set("etcd-client-ca.crt", given.etcdClient.authority);
    files.set("etcd-client.crt", given.etcdClient.certificate);
    files.set("etcd-client.key", given.etcdClient.key);
    return [];
  }
  const organizations = ["etcd"];
  files.set("etcd-client-ca.crt", authority);
  files.set("etcd/server-ca.crt", authority);
  files.set("etcd/peer-ca.crt", authority);
  // For the members, which are not of this cluster's making: whoever runs them takes the files from here.
  const members = (["server", "peer"] as const).map((role): Order => {
    const request = { commonName: `etcd-${role}`, organizations, use: "peer", names: cluster.etcdHosts } as const;
    return { file: `etcd/${role}`, by, request };
  });
  return [
    { file: "etcd-client", by, request: { commonName: "etcd-client", organizations, use: "client" } },
    ...members,
  ];
}

async function makeAuthority(
  cluster: Cluster,
  commonName: string,
): Promise<{ readonly certificate: string; readonly key: string }> {
  const key = await generateKey(cluster.keyAlgorithm);
  const { notBefore, authorityNotAfter: notAfter } = cluster;
  return {
    certificate: await issueSelfSigned({ commonName, use: "authority", notBefore, notAfter }, key),
    key: key.privateKeyPem,
  };
}

/** `abcdef.0123456789abcdef`: an id that is public, and a secret. */
export interface BootstrapToken {
  readonly id: string;
  readonly secret: string;
}

export function makeBootstrapToken(): BootstrapToken {
  const characters = (count: number) => Array.from({ length: count }, () => randomInt(36).toString(36)).join("");
  return { id: characters(6), secret: characters(16) };
}

export function adminKubeconfig(cluster: Cluster, tls: TlsFiles): object {
  const user = { "client-certificate-data": base64(tls, "admin.crt"), "client-key-data": base64(tls, "admin.key") };
  return kubeconfig(cluster, tls, "admin", user);
}

/** What a kubelet starts with: the token is good for asking for a certificate of its own, and for nothing else. */
export function kubeletKubeconfig(cluster: Cluster, tls: TlsFiles, token: BootstrapToken): object {
  return kubeconfig(cluster, tls, "kubelet-bootstrap", { token: `${token.id}.${token.secret}` });
}

function kubeconfig(cluster: Cluster, tls: TlsFiles, user: string, credentials: object): object {
  const { name, server } = cluster;
  return {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster: { server, "certificate-authority-data": base64(tls, "ca.crt") } }],
    users: [{ name: user, user: credentials }],
    contexts: [{ name: `${user}@${name}`, context: { cluster: name, user } }],
    "current-context": `${user}@${name}`,
  };
}

/** A file that {@link makeTlsFiles} has made. */
function tlsFile(tls: TlsFiles, name: string): string {
  const text = tls.get(name);
  if (text === undefined) throw new MendError("internal", `no file "${name}" was made`);
  return text;
}

export function base64(tls: TlsFiles, name: string): string {
  return Buffer.from(tlsFile(tls, name)).toString("base64");
}
