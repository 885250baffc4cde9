/**
 * A new self-hosted cluster, as `render` writes it: what a person may say of one, checked. The rest of this folder
 * turns it into certificates and manifests, the way bootkube's default renderer did (cmd/render/plugin/default), for
 * any Kubernetes from 1.20 on.
 */

import type { KeyAlgorithm } from "../../certificates/issue.ts";
import { defined } from "../../errors/defined.ts";
import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import {
  isAddress,
  type Network,
  networksOverlap,
  networkText,
  offsetAddress,
  parseNetwork,
} from "../../kube/ip-network.ts";
import { CHECKPOINTER_IMAGE } from "../checkpointer-image.ts";

type NetworkProvider = "flannel" | "none";

/** As given on the command line: text that may be wrong. */
export interface ClusterRequest {
  readonly clusterName: string;
  /** URLs; the first is what everybody dials, and its port is what API servers listen on. */
  readonly apiServers: readonly string[];
  /** `IP=...` and `DNS=...`; undefined: the hosts of {@link apiServers}. */
  readonly altNames: readonly string[] | undefined;
  readonly etcdServers: readonly string[];
  /** One, or one of each family. */
  readonly podCidrs: readonly string[];
  readonly serviceCidrs: readonly string[];
  readonly networkProvider: string;
  readonly cloudProvider: string;
  /** Such as `v1.34.2`. */
  readonly kubernetesVersion: string;
  /** Image references by {@link ImageName}; `kubernetes` stands for the four programs at once. */
  readonly images: Readonly<Record<string, string>>;
  readonly checkpointer: boolean;
  readonly keyAlgorithm: KeyAlgorithm;
  /** How long certificates hold that are not an authority's. */
  readonly certificateDays: number;
  readonly now: Date;
}

/** A {@link ClusterRequest} that is in order. */
export interface Cluster {
  readonly name: string;
  /** Without a slash at the end. */
  readonly server: string;
  readonly port: number;
  /** Of the API server's certificate: what was asked for, the services' names and addresses. */
  readonly servingNames: readonly string[];
  readonly etcdServers: readonly string[];
  readonly etcdHosts: readonly string[];
  readonly etcdTls: boolean;
  readonly podCidrs: readonly string[];
  readonly serviceCidrs: readonly string[];
  readonly dnsAddresses: readonly string[];
  readonly hasIpv6: boolean;
  readonly networkProvider: NetworkProvider;
  readonly cloudProvider: string;
  readonly version: string;
  /** 34 of v1.34.2. */
  readonly minor: number;
  readonly images: Readonly<Record<ImageName, string>>;
  readonly checkpointer: boolean;
  readonly keyAlgorithm: KeyAlgorithm;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly authorityNotAfter: Date;
}

const IMAGE_NAMES = [
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "kube-proxy",
  "coredns",
  "flannel",
  "flannel-cni-plugin",
  "checkpointer",
] as const;
type ImageName = (typeof IMAGE_NAMES)[number];

const KUBERNETES_IMAGES: readonly ImageName[] = [
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "kube-proxy",
];
const OLDEST_MINOR = 20;
const API_SERVICE_OFFSET = 1;
const DNS_SERVICE_OFFSET = 10;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const AUTHORITY_DAYS = 3650;
/** What the API server takes (cmd/kube-apiserver/app/options/validation.go): at most 20 bits of service addresses. */
const MOST_SERVICE_BITS = 20n;

/** Throws `usage` with everything that is wrong, not with the first of it. */
export function checkCluster(request: ClusterRequest): Cluster {
  const problems: string[] = [];
  const apiServers = urls(input("apiServers"), request.apiServers, ["https:"], problems);
  const etcd = urls(input("etcdServers"), request.etcdServers, ["http:", "https:"], problems);
  const schemes = new Set(etcd.map((url) => url.protocol));
  if (schemes.size > 1) problems.push(`${input("etcdServers")} mixes http and https: expected one of them`);
  const networks = checkNetworks(request, problems);
  const minor = checkVersion(request.kubernetesVersion, problems);
  if (request.networkProvider !== "flannel" && request.networkProvider !== "none") {
    problems.push(`${input("networkProvider")} is "${request.networkProvider}": expected flannel or none`);
  }
  if (!Number.isSafeInteger(request.certificateDays) || request.certificateDays < 1) {
    problems.push(`${input("certificateDays")} is not a whole number of 1 or more`);
  } else if (request.certificateDays > AUTHORITY_DAYS) {
    problems.push(
      `${input("certificateDays")} is ${request.certificateDays}: the authority itself holds ${AUTHORITY_DAYS} days`,
    );
  }
  const altNames = checkAltNames(request.altNames, problems) ?? apiServers.map(hostOf);
  const images = chooseImages(request, problems);
  if (problems.length > 0) {
    throw new MendError("usage", `the cluster cannot be rendered:\n${problems.join("\n")}`, {
      hint: "change these options",
    });
  }
  const services = networks.services.map(networkText);
  const offset = (number: number) => services.map((service) => defined(offsetAddress(service, number)));
  return {
    name: request.clusterName,
    server: defined(apiServers[0]).href.replace(/\/$/, ""),
    port: Number(defined(apiServers[0]).port || 443),
    servingNames: [...new Set([...altNames, ...SERVICE_NAMES, ...offset(API_SERVICE_OFFSET)])],
    etcdServers: etcd.map((url) => url.href.replace(/\/$/, "")),
    etcdHosts: [...new Set(etcd.map(hostOf))],
    etcdTls: schemes.has("https:"),
    podCidrs: networks.pods.map(networkText),
    serviceCidrs: services,
    dnsAddresses: offset(DNS_SERVICE_OFFSET),
    hasIpv6: networks.services.some(({ bits }) => bits === 128n),
    networkProvider: request.networkProvider as NetworkProvider,
    cloudProvider: request.cloudProvider,
    version: request.kubernetesVersion,
    minor,
    images,
    checkpointer: request.checkpointer,
    keyAlgorithm: request.keyAlgorithm,
    notBefore: new Date(request.now.getTime() - HOUR), // for clocks that disagree
    notAfter: new Date(request.now.getTime() + request.certificateDays * DAY),
    authorityNotAfter: new Date(request.now.getTime() + AUTHORITY_DAYS * DAY),
  };
}

const SERVICE_NAMES = [
  "kubernetes",
  "kubernetes.default",
  "kubernetes.default.svc",
  "kubernetes.default.svc.cluster.local",
];

function urls(flag: string, texts: readonly string[], schemes: readonly string[], problems: string[]): URL[] {
  if (texts.length === 0) problems.push(`${flag} is empty`);
  return texts.flatMap((text) => {
    const url = URL.parse(text);
    if (url === null || !schemes.includes(url.protocol) || url.hostname === "") {
      const expected = schemes.map((scheme) => `${scheme}//HOST:PORT`).join(" or ");
      problems.push(`${flag} has "${text}": expected ${expected}`);
      return [];
    }
    return [url];
  });
}

/** The host of a URL, an IPv6 address without its brackets. */
function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, "$1");
}

function checkAltNames(names: readonly string[] | undefined, problems: string[]): string[] | undefined {
  return names?.flatMap((name) => {
    const [, kind, value] = /^(IP|DNS)=([!-~]+)$/.exec(name) ?? [];
    if (value !== undefined && (kind === "DNS") === !isAddress(value)) return [value];
    problems.push(`${input("apiServerAltNames")} has "${name}": expected IP=ADDRESS or DNS=NAME`);
    return [];
  });
}

function checkNetworks(
  request: ClusterRequest,
  problems: string[],
): { readonly pods: Network[]; readonly services: Network[] } {
  const pods = parseNetworks(input("podCidr"), request.podCidrs, problems);
  const services = parseNetworks(input("serviceCidr"), request.serviceCidrs, problems);
  const families = (networks: readonly Network[]) => networks.map(({ bits }) => (bits === 32n ? "IPv4" : "IPv6"));
  if (pods.length !== services.length) {
    problems.push(`${pods.length} pod networks and ${services.length} service networks: expected as many of both`);
  } else if (families(pods).join() !== families(services).join()) {
    problems.push(
      `pod networks are ${families(pods).join(", ")} and service networks ${families(services).join(", ")}: expected the same order`,
    );
  }
  for (const pod of pods) {
    // The controller manager cuts a network for each node out of it, and numbers at most 2^16 of them.
    const [nodeBits, name] = pod.bits === 32n ? [8n, "IPv4 network of /24"] : [64n, "IPv6 network of /64"];
    if (pod.hostBits < nodeBits || pod.hostBits > nodeBits + 16n) {
      problems.push(
        `${input("podCidr")} ${networkText(pod)} does not fit: each node gets an ${name}, and there may be up to 65536 nodes`,
      );
    }
    for (const service of services) {
      if (networksOverlap(pod, service)) {
        problems.push(
          `${input("podCidr")} ${networkText(pod)} and ${input("serviceCidr")} ${networkText(service)} overlap`,
        );
      }
    }
  }
  for (const service of services) {
    if (service.hostBits < 4n)
      problems.push(
        `${input("serviceCidr")} ${networkText(service)} is too small: it has no address number ${DNS_SERVICE_OFFSET}`,
      );
    if (service.hostBits > MOST_SERVICE_BITS) {
      problems.push(
        `${input("serviceCidr")} ${networkText(service)} is too large: the API server takes at most /${service.bits - MOST_SERVICE_BITS}`,
      );
    }
  }
  return { pods, services };
}

function parseNetworks(flag: string, texts: readonly string[], problems: string[]): Network[] {
  const networks = texts.flatMap((text) => {
    const network = parseNetwork(text);
    if (network === undefined) problems.push(`${flag} has "${text}": expected a network such as 10.2.0.0/16`);
    return network ?? [];
  });
  if (texts.length < 1 || texts.length > 2)
    problems.push(`${flag} has ${texts.length} networks: expected one, or one of each family`);
  if (networks.length === 2 && defined(networks[0]).bits === defined(networks[1]).bits) {
    problems.push(`${flag} has two networks of one family: expected an IPv4 and an IPv6 one`);
  }
  return networks;
}

function checkVersion(version: string, problems: string[]): number {
  const minor = Number(/^v1\.(\d+)\.\d+/.exec(version)?.[1]);
  if (!(minor >= OLDEST_MINOR))
    problems.push(`${input("kubernetesVersion")} is "${version}": expected v1.${OLDEST_MINOR}.0 or later`);
  return minor;
}

function chooseImages(request: ClusterRequest, problems: string[]): Record<ImageName, string> {
  for (const name of Object.keys(request.images)) {
    if (name === "kubernetes" || (IMAGE_NAMES as readonly string[]).includes(name)) continue;
    problems.push(`${input("image")} names "${name}": expected kubernetes, ${IMAGE_NAMES.join(", ")}`);
  }
  const official = (name: ImageName) => `registry.k8s.io/${name}:${request.kubernetesVersion}`;
  const one = request.images.kubernetes;
  const defaults: Record<ImageName, string> = {
    ...(Object.fromEntries(KUBERNETES_IMAGES.map((name) => [name, one ?? official(name)])) as Record<
      ImageName,
      string
    >),
    coredns: "registry.k8s.io/coredns/coredns:v1.12.4",
    flannel: "ghcr.io/flannel-io/flannel:v0.27.4",
    "flannel-cni-plugin": "ghcr.io/flannel-io/flannel-cni-plugin:v1.8.0-flannel1",
    checkpointer: CHECKPOINTER_IMAGE,
  };
  return { ...defaults, ...request.images };
}
