/**
 * A master as kubeadm makes it: etcd, API server, controller manager and scheduler are static pods, and their
 * certificates lie in /etc/kubernetes/pki.
 */
import { readFileSync } from "node:fs";
import { stringify } from "yaml";
import { Api } from "../../testbed/api.ts";
import { type Bed, FIRST_NODE_NUMBER } from "../../testbed/bed.ts";
import {
  apiServerFlags,
  controllerManagerFlags,
  type Flags,
  schedulerFlags,
  toArguments,
} from "../../testbed/flags.ts";
import { ETCD, hyperkubeImage } from "../../testbed/images.ts";
import type { Kubernetes } from "../../testbed/kubernetes.ts";
import { addressOf, SERVICE_CIDR } from "../../testbed/network.ts";
import { CLIENT_CA_PATH, KUBECONFIG_PATH, type Node, STATIC_PODS_PATH, startNode } from "../../testbed/node.ts";
import { Authority, kubeconfig, writeSigningKey } from "../../testbed/pki.ts";
import { waitFor } from "../../testbed/wait.ts";

export const PKI = "/etc/kubernetes/pki";
export const ADDRESS = addressOf(FIRST_NODE_NUMBER);
export const ETCD_URL = `https://${ADDRESS}:2379`;
export const COMPONENTS = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];
/** The administrator's kubeconfig, on the machine. */
export const ADMIN_CONF = "/etc/kubernetes/admin.conf";

export interface StaticControlPlaneNode {
  readonly node: Node;
  readonly api: Api;
  readonly cluster: Authority;
}

export async function apiServerReady(api: Api, node: Node): Promise<void> {
  await waitFor("the API server to be ready", () => api.get("/readyz").then((text) => text === "ok"), {
    seconds: 120,
    explain: () => node.kubelet?.lastLines(20) ?? "",
  });
}

export async function startControlPlaneNode(bed: Bed, kubernetes: Kubernetes): Promise<StaticControlPlaneNode> {
  const etcd = await Authority.create(bed.path("pki", "etcd"), "etcd-ca");
  const cluster = await Authority.create(bed.path("pki", "kubernetes"), "kubernetes");
  const signing = await writeSigningKey(cluster.directory, "sa");
  const files: Record<string, string> = {};
  const put = (path: string, { certificate, key }: { readonly certificate: string; readonly key: string }) => {
    files[`${PKI}/${path}.crt`] = certificate;
    files[`${PKI}/${path}.key`] = key;
  };
  put("ca", cluster);
  put("etcd/ca", etcd);
  put("etcd/server", await etcd.issue("server", { commonName: "node1", use: "peer", names: [ADDRESS, "127.0.0.1"] }));
  put("etcd/client", await etcd.issue("client", { commonName: "client", use: "client" }));
  const serving = ["kubernetes", "kubernetes.default.svc", "10.96.0.1", "127.0.0.1", ADDRESS];
  put("apiserver", await cluster.issue("apiserver", { commonName: "kube-apiserver", use: "server", names: serving }));
  const admin = await cluster.issue("admin", { commonName: "admin", organizations: ["system:masters"], use: "client" });
  put("apiserver-kubelet-client", admin);
  files[`${PKI}/sa.key`] = readFileSync(signing.privatePath, "utf8");
  files[`${PKI}/sa.pub`] = readFileSync(signing.publicPath, "utf8");
  files[CLIENT_CA_PATH] = cluster.certificate;
  const config = async (path: string, commonName: string, organizations: readonly string[] = []) => {
    const client = await cluster.issue(commonName.replaceAll(":", "-"), { commonName, organizations, use: "client" });
    files[path] = kubeconfig(`https://${ADDRESS}:6443`, cluster, client);
    return path;
  };
  await config(KUBECONFIG_PATH, "system:node:node1", ["system:nodes"]);
  await config(ADMIN_CONF, "kubernetes-admin", ["system:masters"]);
  const controllerManager = await config("/etc/kubernetes/controller-manager.conf", "system:kube-controller-manager");
  const scheduler = await config("/etc/kubernetes/scheduler.conf", "system:kube-scheduler");

  const programs: Record<string, Flags> = {
    etcd: etcdFlags(),
    "kube-apiserver": apiServerFlags({
      advertiseAddress: ADDRESS,
      port: 6443,
      etcdServers: ["https://127.0.0.1:2379"],
      etcd: { ca: `${PKI}/etcd/ca.crt`, certificate: `${PKI}/etcd/client.crt`, key: `${PKI}/etcd/client.key` },
      clientCa: `${PKI}/ca.crt`,
      serving: { certificate: `${PKI}/apiserver.crt`, key: `${PKI}/apiserver.key` },
      kubeletClient: {
        certificate: `${PKI}/apiserver-kubelet-client.crt`,
        key: `${PKI}/apiserver-kubelet-client.key`,
      },
      serviceAccount: { publicKey: `${PKI}/sa.pub`, privateKey: `${PKI}/sa.key` },
      serviceCidr: SERVICE_CIDR,
    }),
    "kube-controller-manager": controllerManagerFlags({
      kubeconfig: controllerManager,
      ca: { certificate: `${PKI}/ca.crt`, key: `${PKI}/ca.key` },
      serviceAccountPrivateKey: `${PKI}/sa.key`,
    }),
    "kube-scheduler": schedulerFlags(scheduler),
  };
  for (const [name, flags] of Object.entries(programs)) {
    const image = name === "etcd" ? ETCD.name : hyperkubeImage(kubernetes).name;
    files[`${STATIC_PODS_PATH}/${name}.yaml`] = stringify(staticPod(name, image, flags));
  }
  const images = [hyperkubeImage(kubernetes), ETCD];
  const node = await startNode(bed, kubernetes, "node1", {
    images,
    files,
    labels: { "node.kubernetes.io/exclude-from-external-load-balancers": "" },
  });
  const port = await bed.forwarder.open(ADDRESS, 6443);
  const api = new Api({ port, ca: cluster.certificate, cert: admin.certificate, key: admin.key });
  return { node, api, cluster };
}

function etcdFlags(): Flags {
  const peer = `https://${ADDRESS}:2380`;
  return {
    "advertise-client-urls": ETCD_URL,
    "cert-file": `${PKI}/etcd/server.crt`,
    "client-cert-auth": true,
    "data-dir": "/var/lib/etcd",
    "initial-advertise-peer-urls": peer,
    "initial-cluster": `node1=${peer}`,
    "key-file": `${PKI}/etcd/server.key`,
    "listen-client-urls": `https://127.0.0.1:2379,${ETCD_URL}`,
    "listen-peer-urls": peer,
    name: "node1",
    "peer-cert-file": `${PKI}/etcd/server.crt`,
    "peer-client-cert-auth": true,
    "peer-key-file": `${PKI}/etcd/server.key`,
    "peer-trusted-ca-file": `${PKI}/etcd/ca.crt`,
    "trusted-ca-file": `${PKI}/etcd/ca.crt`,
  };
}

/** With the volumes and labels of kubeadm's. */
function staticPod(name: string, image: string, flags: Flags): unknown {
  const volumes: Record<string, { readonly path: string; readonly type: string }> = {
    pki: { path: PKI, type: "DirectoryOrCreate" },
    ...(typeof flags.kubeconfig === "string" && { kubeconfig: { path: flags.kubeconfig, type: "FileOrCreate" } }),
    ...(name === "etcd" && { data: { path: "/var/lib/etcd", type: "DirectoryOrCreate" } }),
  };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "kube-system", labels: { component: name, tier: "control-plane" } },
    spec: {
      containers: [
        {
          name,
          image,
          command: [name, ...toArguments(flags)],
          volumeMounts: Object.entries(volumes).map(([volume, { path }]) => ({ name: volume, mountPath: path })),
        },
      ],
      hostNetwork: true,
      priorityClassName: "system-node-critical",
      volumes: Object.entries(volumes).map(([volume, hostPath]) => ({ name: volume, hostPath })),
    },
  };
}
