/**
 * What a kubeadm node's certificates are made for, by the files that are left of it: manifests, other certificates,
 * kubeconfigs, the kubelet's configuration.
 */
import { readdirSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { firstAddress, type NodeIdentity } from "../../certificates/kubeadm.ts";
import { containerIndexOf, imageVersion } from "../../kube/component.ts";
import { containerFlags, type Flag, flagNamed } from "../../kube/container-flags.ts";
import { objectOf, objectsOf, textOf } from "../../kube/fields.ts";
import { isAddress } from "../../kube/ip-network.ts";
import type { JsonObject } from "../../kube/object.ts";
import { readYaml } from "../../kube/read-yaml.ts";
import { certificateOf } from "./certificate-files.ts";
import { readQuietly } from "./quiet-reads.ts";

/** What could be found; undefined what could not. */
export type FoundIdentity = { readonly [Field in keyof NodeIdentity]: NodeIdentity[Field] | undefined } & {
  /** The control plane's common endpoint, such as `https://10.0.0.9:6443`. */
  readonly endpoint: string | undefined;
  /** The port of this node's API server. */
  readonly port: number;
};

interface Manifest {
  readonly flags: readonly Flag[];
  readonly image: string;
}

export function findIdentity(kubernetesDir: string, kubeletDir: string): FoundIdentity {
  const manifest = (component: "etcd" | "kube-apiserver" | "kube-controller-manager"): Manifest | undefined => {
    const pod = yamlOf(join(kubernetesDir, "manifests", `${component}.yaml`));
    const spec = objectOf(pod?.spec);
    const container = objectsOf(spec.containers)[containerIndexOf(component, spec)];
    return container && { flags: containerFlags(container), image: textOf(container.image) };
  };
  const [server, etcd, manager] = [manifest("kube-apiserver"), manifest("etcd"), manifest("kube-controller-manager")];
  const kubelet = yamlOf(join(kubeletDir, "config.yaml"));
  const kubeletFlags = containerFlags({ command: kubeletWords(readQuietly(join(kubeletDir, "kubeadm-flags.env"))) });
  const range =
    flagNamed(server?.flags, "service-cluster-ip-range") ?? flagNamed(manager?.flags, "service-cluster-ip-range");
  const peer =
    certificateOf(join(kubernetesDir, "pki/etcd/peer.crt")) ??
    certificateOf(join(kubernetesDir, "pki/etcd/server.crt"));
  const served = certificateOf(join(kubernetesDir, "pki/apiserver.crt"));
  const node =
    flagNamed(kubeletFlags, "hostname-override") ??
    flagNamed(etcd?.flags, "name") ??
    nameIn(kubeletDir) ??
    peer?.subject.replace(/^CN=/, "");
  const advertised = flagNamed(server?.flags, "advertise-address");
  const etcdUrl = flagNamed(etcd?.flags, "advertise-client-urls")?.split(",")[0];
  const servers = ["controller-manager.conf", "scheduler.conf"].map((file) => serverOf(join(kubernetesDir, file)));
  const endpoint = ["admin.conf", "super-admin.conf"].map((file) => serverOf(join(kubernetesDir, file))).find(Boolean);
  const names = served?.subjectAltName?.split(", ").map((name) => name.replace(/^(?:DNS|IP Address):/, "")) ?? [];
  const version = [server, manager].map((each) => imageVersion(each?.image ?? "")).find((each) => each !== undefined);
  const minor = Number(/^v?1\.(\d+)/.exec(version ?? "")?.[1] ?? Number.NaN);
  // Its host is a name of every API server: kubeadm lets no node join a control plane without a common endpoint.
  const common = endpoint === undefined ? undefined : hostOf(endpoint);
  return {
    node: node ?? (server === undefined ? undefined : hostname().toLowerCase()),
    address:
      advertised ??
      (etcdUrl === undefined ? undefined : hostOf(etcdUrl)) ??
      flagNamed(kubeletFlags, "node-ip") ??
      servers.map((each) => each && hostOf(each)).find((host) => host !== undefined && isAddress(host)),
    serviceAddress: range === undefined ? undefined : firstAddress(range),
    domain: textOf(kubelet?.clusterDomain) || undefined,
    otherNames: [...new Set([...(common === undefined ? [] : [common]), ...names])],
    minor: Number.isNaN(minor) ? undefined : minor,
    endpoint,
    port: Number(flagNamed(server?.flags, "secure-port") ?? 6443),
  };
}

function yamlOf(path: string): JsonObject | undefined {
  try {
    return objectOf(readYaml(readQuietly(path)) as JsonObject);
  } catch {
    return undefined; // what cannot be read proves nothing
  }
}

/** `KUBELET_KUBEADM_ARGS="--node-ip=10.0.0.1 --hostname-override=m1"` */
function kubeletWords(text: string): string[] {
  return (/^KUBELET_KUBEADM_ARGS="?([^"\n]*)"?/m.exec(text)?.[1] ?? "").split(/\s+/).filter((word) => word !== "");
}

/** The kubelet's client certificates are of `system:node:NAME`. */
function nameIn(kubeletDir: string): string | undefined {
  let files: string[];
  try {
    files = readdirSync(join(kubeletDir, "pki"));
  } catch {
    return undefined;
  }
  for (const file of files.filter((name) => /^kubelet-client-.*\.pem$/.test(name))) {
    const name = /CN=system:node:(\S+)/.exec(certificateOf(join(kubeletDir, "pki", file))?.subject ?? "")?.[1];
    if (name !== undefined) return name;
  }
  return undefined;
}

function serverOf(path: string): string | undefined {
  const [cluster] = objectsOf(yamlOf(path)?.clusters);
  return textOf(objectOf(cluster?.cluster).server) || undefined;
}

/** Of an URL, without brackets. */
export function hostOf(url: string): string | undefined {
  return URL.parse(url)?.hostname.replace(/^\[(.*)\]$/, "$1");
}
