/** Every certificate that can be seen from here: served by API server, etcd and kubelets, named by flags, in kubeconfigs. */
import type { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { type AuthorityName, CERTIFICATES } from "../../../certificates/kubeadm.ts";
import type { CertificateFact, EtcdFacts, LocalComponent, LocalFacts, NodeFacts } from "../../../diagnosis/facts.ts";
import type { ClusterAccess } from "../../../io/api-server/kubeconfig.ts";
import {
  authorityBeside,
  belongsTogether,
  certificateOf,
  kubeconfigCertificates,
} from "../../../io/files/certificate-files.ts";
import { servedCertificate } from "../../../io/network/served-certificate.ts";
import { reachableFile } from "../../../io/node/component-files.ts";
import { flagNamed } from "../../../kube/container-flags.ts";
import type { Probes } from "./probes.ts";

const KUBERNETES = "/etc/kubernetes";
const PKI = `${KUBERNETES}/pki`;
/** Whose a file of kubeadm's is, by its authority. */
const OWNER_OF: Readonly<Record<AuthorityName, string>> = {
  ca: "api-server",
  "etcd-ca": "etcd",
  "front-proxy-ca": "aggregation",
};
const CONFIGS = [
  "admin.conf",
  "super-admin.conf",
  "controller-manager.conf",
  "scheduler.conf",
  "kubelet.conf",
  "kubeconfig",
];
const KUBELET_CLIENT = "/var/lib/kubelet/pki/kubelet-client-current.pem";
/** From an administrator's machine kubelets are often out of reach: then this is all the time that it costs. */
const SCOUTS = 5;
const SCOUT_MS = 400;
const KUBELET_MS = 1000;
const AT_ONCE = 25;
const MOST_KUBELETS = 1000;

/** Flags that name certificates: the certificate's, its key's, whose it is. */
const FILES: readonly (readonly [
  component: LocalComponent["name"],
  certificate: string,
  key: string | undefined,
  owner: string,
])[] = [
  ["kube-apiserver", "tls-cert-file", "tls-private-key-file", "api-server"],
  ["kube-apiserver", "client-ca-file", undefined, "api-server"],
  ["kube-apiserver", "etcd-certfile", "etcd-keyfile", "etcd"],
  ["kube-apiserver", "etcd-cafile", undefined, "etcd"],
  ["kube-apiserver", "kubelet-client-certificate", "kubelet-client-key", "kubelet-client"],
  ["kube-apiserver", "proxy-client-cert-file", "proxy-client-key-file", "aggregation"],
  ["etcd", "cert-file", "key-file", "etcd"],
  ["etcd", "peer-cert-file", "peer-key-file", "etcd"],
  ["etcd", "trusted-ca-file", undefined, "etcd"],
  ["kube-controller-manager", "cluster-signing-cert-file", "cluster-signing-key-file", "signing"],
];

export function certificatesOnDisk(
  local: LocalFacts | undefined,
  access: ClusterAccess | undefined,
): CertificateFact[] {
  const facts: CertificateFact[] = [];
  for (const component of local?.components ?? []) {
    for (const [name, certificate, key, owner] of FILES) {
      if (component.name !== name) continue;
      const fact = fileFact(component, certificate, key, owner);
      if (fact !== undefined) facts.push(fact);
    }
    const config = flagNamed(component.flags, "kubeconfig");
    if (config !== undefined) facts.push(...configFacts(config, "kubeconfig"));
  }
  if (local !== undefined) {
    for (const file of CONFIGS) {
      const owner = file === "kubelet.conf" || file === "kubeconfig" ? "kubelet" : "kubeconfig";
      facts.push(...configFacts(`/etc/kubernetes/${file}`, owner, local.nodeName));
    }
    for (const { certificate, key, authority } of CERTIFICATES) {
      const fact = standardFact(join(KUBERNETES, certificate), join(KUBERNETES, key), OWNER_OF[authority]);
      if (fact !== undefined) facts.push(fact);
    }
    const found = certificateOf(KUBELET_CLIENT);
    if (found !== undefined) {
      const files = { certificate: KUBELET_CLIENT, authority: authorityOf(found, KUBELET_CLIENT) };
      facts.push({ ...describe(found, "kubelet", KUBELET_CLIENT), files, node: local.nodeName });
    }
  }
  if (access !== undefined) facts.push(...configFacts(access.source, "kubeconfig"));
  // What a flag names says more than where kubeadm would put it.
  const seen = new Set<string>();
  return facts.filter(({ place, fingerprint }) => {
    const key = `${place} ${fingerprint}`;
    return !seen.has(key) && seen.add(key);
  });
}

/** Of kubeadm's files what no component's flags name: those of a component that is gone, and what probes and etcdctl use. */
function standardFact(path: string, key: string, owner: string): CertificateFact | undefined {
  const certificate = certificateOf(path);
  if (certificate === undefined) return undefined;
  return {
    ...describe(certificate, owner, path),
    keyMatches: belongsTogether(certificate, key),
    keyPlace: key,
    files: { certificate: path, authority: authorityOf(certificate, path) },
  };
}

/** Beside the certificate, else where kubeadm has it. */
function authorityOf(certificate: X509Certificate, path: string): ReturnType<typeof authorityBeside> {
  return authorityBeside(certificate, path, [PKI, `${PKI}/etcd`]);
}

function fileFact(
  component: LocalComponent,
  flag: string,
  keyFlag: string | undefined,
  owner: string,
): CertificateFact | undefined {
  const named = flagNamed(component.flags, flag);
  const path = named === undefined ? undefined : reachableFile(named, component.process?.pid);
  const certificate = path === undefined ? undefined : certificateOf(path);
  if (named === undefined || path === undefined || certificate === undefined) return undefined;
  const place = path === named ? path : `${named} in the container of ${component.name}`;
  const base = describe(certificate, owner, place);
  const namedKey = keyFlag === undefined ? undefined : flagNamed(component.flags, keyFlag);
  const key = namedKey === undefined ? undefined : reachableFile(namedKey, component.process?.pid);
  return {
    ...base,
    keyMatches: key === undefined ? undefined : belongsTogether(certificate, key),
    keyPlace: namedKey,
    files: path === named ? { certificate: path, authority: authorityOf(certificate, path) } : undefined,
  };
}

function configFacts(path: string, owner: string, node?: string): CertificateFact[] {
  return kubeconfigCertificates(path).map(({ certificate, file }) => ({
    ...describe(certificate, owner, file === path ? path : `${file}, by ${path}`),
    files: { certificate: file, authority: authorityOf(certificate, file) },
    ...(owner === "kubelet" && node !== undefined && { node }),
  }));
}

/** Those of the API server and of etcd. */
export async function servedCertificates(
  access: ClusterAccess | undefined,
  etcd: readonly string[],
  probes: Probes,
): Promise<CertificateFact[]> {
  const targets = [
    ...(access === undefined || access.proxy !== undefined
      ? []
      : [{ url: access.server, owner: "api-server", who: "the API server" }]),
    ...etcd.flatMap((endpoint) => {
      const url = URL.parse(endpoint);
      return url === null ? [] : [{ url, owner: "etcd", who: "etcd" }];
    }),
  ].filter(({ url }) => url.protocol === "https:");
  const found = await Promise.all(
    targets.map(async ({ url, owner, who }) => {
      const port = Number(url.port || 443);
      const certificate = await servedCertificate(
        url.hostname,
        port,
        probes.deadlineMs,
        owner === "etcd" ? "h2" : undefined,
      );
      return certificate === undefined ? [] : [describe(certificate, owner, `served by ${who} at ${url.host}`)];
    }),
  );
  return found.flat();
}

/** The endpoints of members that were found besides those given. */
export function memberEndpoints(etcd: EtcdFacts | undefined): string[] {
  if (etcd === undefined) return [];
  const found = "error" in etcd.health ? [] : etcd.health.members.flatMap(({ endpoint }) => endpoint ?? []);
  return [...new Set([...etcd.endpoints, ...found])];
}

export interface KubeletAddress extends Pick<NodeFacts, "name" | "address"> {
  readonly port: number;
}

/** Those of kubelets, where kubelets can be reached from here at all: a few are tried before the others. */
export async function kubeletCertificates(nodes: readonly KubeletAddress[]): Promise<CertificateFact[]> {
  const ask = async ({ name, address, port }: KubeletAddress, milliseconds: number): Promise<CertificateFact[]> => {
    const certificate = await servedCertificate(address, port, milliseconds);
    if (certificate === undefined) return [];
    return [{ ...describe(certificate, "kubelet-serving", `served by the kubelet of ${name}`), node: name }];
  };
  const scouts = nodes.slice(0, SCOUTS);
  const facts = (await Promise.all(scouts.map((node) => ask(node, SCOUT_MS)))).flat();
  if (facts.length === 0) return [];
  for (let i = SCOUTS; i < Math.min(nodes.length, MOST_KUBELETS); i += AT_ONCE) {
    const found = await Promise.all(nodes.slice(i, i + AT_ONCE).map((node) => ask(node, KUBELET_MS)));
    facts.push(...found.flat());
  }
  return facts;
}

function describe(certificate: X509Certificate, owner: string, place: string): CertificateFact {
  const subject: string | undefined = certificate.subject; // undefined where it is empty
  return {
    owner,
    place,
    subject: subject?.split("\n").join(", ") ?? "",
    fingerprint: certificate.fingerprint256,
    notBefore: Date.parse(certificate.validFrom),
    notAfter: Date.parse(certificate.validTo),
    isAuthority: certificate.ca,
    files: undefined,
    keyMatches: undefined,
  };
}
