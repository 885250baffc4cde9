/**
 * etcd run by etcd-operator on the cluster whose state it holds, as bootkube 0.4 to 0.8 set it up: an EtcdCluster `kube-etcd`, a service
 * `etcd-service` at a fixed address, and for bootstrapping a boot member at another (pkg/recovery/etcd.go, pkg/asset of bootkube 0.8).
 */

import { X509Certificate } from "node:crypto";
import { defined } from "../errors/defined.ts";
import { flagValue } from "../kube/container-flags.ts";
import type { DataObject } from "../kube/data-object.ts";
import { isObject, objectOf, objectsOf, textOf } from "../kube/fields.ts";
import { isInNetwork, offsetAddress } from "../kube/ip-network.ts";
import type { KubeObject } from "../kube/object.ts";
import type { SelfHostedEtcd, SelfHostedEtcdTls } from "./control-plane.ts";

export const ETCD_CLUSTER_GROUP = "etcd.database.coreos.com";
const CLUSTER_NAME = "kube-etcd";
/** Where bootkube puts the boot member's address in the service network. */
const BOOT_OFFSET = 20;
const DEFAULT_CLIENT_PORT = 2379;
const DEFAULT_REPOSITORY = "quay.io/coreos/etcd";
/** bootkube 0.8's: for an EtcdCluster that names no version. */
const DEFAULT_VERSION = "v3.1.8";

export function isEtcdCluster(object: KubeObject): boolean {
  return object.kind === "EtcdCluster" && object.apiVersion.startsWith(`${ETCD_CLUSTER_GROUP}/`);
}

/**
 * Whether the cluster's own state lives in this EtcdCluster, and not some application's: bootkube's name, a boot member, or an API server
 * that dials a service of it.
 */
export function holdsOwnState(
  cluster: KubeObject,
  apiServerUrls: readonly string[],
  services: readonly KubeObject[],
): boolean {
  if (isObject(objectOf(cluster.spec).selfHosted) || cluster.metadata.name === CLUSTER_NAME) return true;
  const hosts = new Set(apiServerUrls.map(hostOf));
  return services.some(
    (service) =>
      objectOf(objectOf(service.spec).selector).etcd_cluster === cluster.metadata.name &&
      hosts.has(textOf(objectOf(service.spec).clusterIP)),
  );
}

/** Names of the TLS secrets: as the EtcdCluster says, else bootkube's where such a secret exists. */
export function etcdTlsSecrets(
  cluster: KubeObject,
  exists: (secret: string) => boolean,
): SelfHostedEtcdTls | undefined {
  const fixed = objectOf(objectOf(objectOf(cluster.spec).TLS).static);
  const member = objectOf(fixed.member);
  const tls = {
    peerSecret: textOf(member.peerSecret) || "etcd-peer-tls",
    serverSecret: textOf(member.serverSecret) || "etcd-server-tls",
    clientSecret: textOf(fixed.operatorSecret) || "etcd-client-tls",
  };
  return isObject(objectOf(cluster.spec).TLS) || exists(tls.serverSecret) ? tls : undefined;
}

export interface EtcdSurroundings {
  readonly services: readonly KubeObject[];
  /** Pods labelled as members. */
  readonly memberPods: readonly KubeObject[];
  readonly apiServer: { readonly [field: string]: unknown } | undefined;
  readonly serverSecret: DataObject | undefined;
}

export function describeEtcd(
  cluster: KubeObject,
  tls: SelfHostedEtcdTls | undefined,
  around: EtcdSurroundings,
): SelfHostedEtcd {
  return {
    name: cluster.metadata.name,
    namespace: cluster.metadata.namespace ?? "",
    apiVersion: cluster.apiVersion,
    spec: objectOf(cluster.spec),
    image: memberImage(cluster, around.memberPods),
    bootServiceIp: bootServiceIp(cluster, around),
    servers: apiServerUrls(around),
    ...memberPlace(cluster, around),
    memberPods: around.memberPods.map(({ metadata }) => metadata.name).sort(),
    tls,
  };
}

function apiServerUrls({ apiServer }: EtcdSurroundings): string[] {
  const flag = apiServer === undefined ? undefined : flagValue(objectOf(apiServer as never), "etcd-servers");
  return flag?.split(",").filter((url) => url !== "") ?? [];
}

/** How the service that the API server dials finds members; etcd-operator's labels and etcd's port where there is none. */
function memberPlace(
  cluster: KubeObject,
  around: EtcdSurroundings,
): Pick<SelfHostedEtcd, "memberLabels" | "memberPort"> {
  const memberLabels = { app: "etcd", etcd_cluster: cluster.metadata.name };
  for (const url of apiServerUrls(around)) {
    const host = hostOf(url);
    const port = Number(/:(\d+)\/?$/.exec(url)?.[1] ?? DEFAULT_CLIENT_PORT);
    const service = around.services.find(({ metadata, spec }) =>
      [textOf(objectOf(spec).clusterIP), `${metadata.name}.${metadata.namespace}.svc`].includes(
        host.replace(/(\.svc)\..*$/, "$1"),
      ),
    );
    if (service === undefined) continue;
    const selector = Object.entries(objectOf(objectOf(service.spec).selector));
    const target = objectsOf(objectOf(service.spec).ports).find((each) => Number(each.port) === port)?.targetPort;
    return {
      memberLabels:
        selector.length === 0
          ? memberLabels
          : Object.fromEntries(selector.map(([name, value]) => [name, textOf(value)])),
      memberPort: typeof target === "number" && target > 0 ? target : port,
    };
  }
  return { memberLabels, memberPort: DEFAULT_CLIENT_PORT };
}

function memberImage(cluster: KubeObject, memberPods: readonly KubeObject[]): string {
  for (const pod of memberPods) {
    const containers = objectsOf(objectOf(pod.spec).containers);
    const image = textOf((containers.find((each) => each.name === "etcd") ?? containers[0])?.image);
    if (image !== "") return image;
  }
  const spec = objectOf(cluster.spec);
  const version = textOf(spec.version) || DEFAULT_VERSION;
  return `${textOf(spec.repository) || DEFAULT_REPOSITORY}:${version.startsWith("v") ? version : `v${version}`}`;
}

/**
 * The EtcdCluster says it where bootkube made it. Otherwise the first address that the servers' certificate is good for, that lies in the
 * service network and that no service has; otherwise the one that bootkube would give.
 */
function bootServiceIp(cluster: KubeObject, around: EtcdSurroundings): string {
  const endpoint = textOf(objectOf(objectOf(cluster.spec).selfHosted).bootMemberClientEndpoint);
  if (endpoint !== "" && hostOf(endpoint) !== "") return hostOf(endpoint);
  const used = new Set(around.services.map((service) => textOf(objectOf(service.spec).clusterIP)));
  const range =
    flagValue(objectOf(around.apiServer as never), "service-cluster-ip-range")?.split(",")[0] ?? "10.3.0.0/24";
  const certified = certificateAddresses(around.serverSecret?.data.get("server.crt"));
  const free = certified.find((address) => isInNetwork(address, range) && !used.has(address));
  if (free !== undefined) return free;
  for (let offset = BOOT_OFFSET; offset < BOOT_OFFSET + used.size + 1; offset++) {
    const address = offsetAddress(range, offset);
    if (address !== undefined && !used.has(address)) return address;
  }
  return "";
}

function certificateAddresses(pem: Uint8Array | undefined): string[] {
  if (pem === undefined) return [];
  try {
    const names = new X509Certificate(pem).subjectAltName ?? "";
    return [...names.matchAll(/IP Address:([0-9a-fA-F.:]+)/g)].map((match) => defined(match[1]));
  } catch {
    return []; // Not a certificate: the address is then chosen without its help, and etcd itself will say what is wrong with it.
  }
}

/** The host of an endpoint URL, without the brackets of an IPv6 address; empty when there is none. */
export function hostOf(url: string): string {
  const host = /^[a-z]+:\/\/(\[[^\]]*\]|[^:/]*)/.exec(url)?.[1] ?? "";
  return host.replace(/^\[|\]$/g, "");
}
