/**
 * What a backup says of its control-plane nodes, besides what their etcd members are: for whom their certificates are,
 * and which files its config maps hold.
 */
import { readCertificates } from "../certificates/faults.ts";
import { firstAddress, type NodeIdentity } from "../certificates/kubeadm.ts";
import type { StaticPodNode } from "../controlplane/control-plane.ts";
import type { StaticPodControlPlane } from "../controlplane/flavours/static-pods.ts";
import { containerIndexOf } from "../kube/component.ts";
import { containerFlags, type Flag, flagNamed } from "../kube/container-flags.ts";
import { objectOf, objectsOf, textOf } from "../kube/fields.ts";
import type { JsonObject, KubeObject } from "../kube/object.ts";
import { readYaml } from "../kube/read-yaml.ts";
import { KUBELET_CONFIGURATION, KUBERNETES } from "./node-needs.ts";

/**
 * For whom a node's certificates and kubeconfigs are made; what the backup does not say is left out, and the node's own
 * files may say it.
 */
export type BackupIdentity = { readonly [Field in keyof NodeIdentity]?: NodeIdentity[Field] } & {
  readonly endpoint?: string;
  /** Of its API server. */
  readonly port?: number;
};

/** Files by path, as config maps of `kube-system` hold them. */
export function filesOf(objects: readonly KubeObject[]): ReadonlyMap<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  const put = (path: string, text: string) => {
    if (text !== "") files.set(path, new TextEncoder().encode(text.endsWith("\n") ? text : `${text}\n`));
  };
  put(`${KUBERNETES}/pki/ca.crt`, configMap(objects, /^kube-root-ca\.crt$/, "ca.crt"));
  const aggregation = configMap(objects, /^extension-apiserver-authentication$/, "requestheader-client-ca-file");
  put(`${KUBERNETES}/pki/front-proxy-ca.crt`, aggregation);
  put(KUBELET_CONFIGURATION, configMap(objects, /^kubelet-config(?:-1\.\d+)?$/, "kubelet"));
  return files;
}

/** SHA-256 fingerprints of the authorities that the cluster's pods trust: of more than one while authorities are exchanged. */
export function authoritiesOf(objects: readonly KubeObject[]): string[] {
  return readCertificates(configMap(objects, /^kube-root-ca\.crt$/, "ca.crt")).map(
    ({ fingerprint256 }) => fingerprint256,
  );
}

/** Values of secret `kubeadm-certs`; undefined where the backup does not have it, or only encrypted. */
export function kubeadmCertsOf(objects: readonly KubeObject[]): ReadonlyMap<string, Uint8Array> | undefined {
  const secret = objects.find(
    ({ kind, metadata }) =>
      kind === "Secret" && metadata.namespace === "kube-system" && metadata.name === "kubeadm-certs",
  );
  if (secret === undefined) return undefined;
  return new Map(
    Object.entries(objectOf(secret.data)).map(([name, value]) => [name, Buffer.from(textOf(value), "base64")]),
  );
}

export function identityOf(node: StaticPodNode, plane: StaticPodControlPlane): BackupIdentity {
  const server = flagsOf(node, "kube-apiserver");
  const manager = flagsOf(node, "kube-controller-manager");
  const range = flagNamed(server, "service-cluster-ip-range") ?? flagNamed(manager, "service-cluster-ip-range") ?? "";
  const configuration = yamlOf(plane.kubeadmConfiguration ?? "");
  const address = flagNamed(server, "advertise-address");
  const common = textOf(configuration.controlPlaneEndpoint);
  const sans = objectOf(configuration.apiServer).certSANs;
  const host = URL.parse(`https://${common}`)?.hostname.replace(/^\[(.*)\]$/, "$1");
  const minor = Number(/^v1\.(\d+)/.exec(plane.versions[0] ?? "")?.[1]);
  const serviceAddress = firstAddress(range);
  const domain = textOf(objectOf(configuration.networking).dnsDomain);
  const port = Number(flagNamed(server, "secure-port"));
  const otherNames = [
    ...(common === "" || host === undefined ? [] : [host]),
    ...(Array.isArray(sans) ? sans.map(textOf) : []),
  ];
  return {
    node: node.name,
    ...(address === undefined ? {} : { address }),
    ...(serviceAddress === undefined ? {} : { serviceAddress }),
    ...(domain === "" ? {} : { domain }),
    ...(Number.isNaN(minor) ? {} : { minor }),
    ...(common === "" ? {} : { endpoint: `https://${common}` }),
    ...(Number.isNaN(port) || port === 0 ? {} : { port }),
    otherNames: otherNames.filter((name) => name !== ""),
  };
}

/** Ports that the node's etcd and API server listen on, by component. */
export function portsOf(node: StaticPodNode): ReadonlyMap<number, string> {
  const ports = new Map<number, string>();
  for (const name of ["listen-client-urls", "listen-peer-urls"]) {
    for (const url of flagNamed(flagsOf(node, "etcd"), name)?.split(",") ?? []) {
      const port = Number(URL.parse(url)?.port);
      if (port > 0) ports.set(port, "etcd");
    }
  }
  const server = flagsOf(node, "kube-apiserver");
  if (server.length > 0) ports.set(Number(flagNamed(server, "secure-port") ?? 6443), "kube-apiserver");
  return ports;
}

/** Images of the node's control plane. */
export function imagesOf({ pods }: StaticPodNode): string[] {
  const images = pods
    .filter(({ component }) => component !== undefined)
    .flatMap(({ mirrorPod }) => objectsOf(objectOf(mirrorPod.spec).containers).map(({ image }) => textOf(image)));
  return [...new Set(images.filter((image) => image !== ""))].sort();
}

function flagsOf({ pods }: StaticPodNode, component: "etcd" | "kube-apiserver" | "kube-controller-manager"): Flag[] {
  const pod = pods.find((each) => each.component === component);
  const spec = objectOf(pod?.mirrorPod.spec);
  const container = objectsOf(spec.containers)[containerIndexOf(component, spec)];
  return container === undefined ? [] : containerFlags(container);
}

function configMap(objects: readonly KubeObject[], name: RegExp, key: string): string {
  const found = objects.find(
    ({ kind, metadata }) => kind === "ConfigMap" && metadata.namespace === "kube-system" && name.test(metadata.name),
  );
  return textOf(objectOf(found?.data)[key]);
}

function yamlOf(text: string): JsonObject {
  try {
    return objectOf(readYaml(text) as JsonObject);
  } catch {
    return {}; // the node's own files may say it
  }
}
