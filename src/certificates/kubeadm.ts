/**
 * The certificates of a control-plane node as kubeadm lays them out: which authority signs what, for whom and for which names
 * (https://kubernetes.io/docs/setup/best-practices/certificates/, kubernetes/cmd/kubeadm/app/phases/certs and phases/kubeconfig).
 */
import { defined } from "../errors/defined.ts";
import type { CertificateRequest } from "./issue.ts";

/** kubeadm's names of its three authorities. */
export type AuthorityName = "ca" | "etcd-ca" | "front-proxy-ca";

export interface KubeadmAuthority {
  readonly name: AuthorityName;
  /** Below `/etc/kubernetes`. */
  readonly certificate: string;
  readonly key: string;
  /** What it means that its key is lost. */
  readonly loss: string;
}

export const AUTHORITIES: readonly KubeadmAuthority[] = [
  {
    name: "ca",
    certificate: "pki/ca.crt",
    key: "pki/ca.key",
    loss:
      "no certificate of the API server, of kubelets or of clients can be made; a new authority means " +
      "that every node and kubeconfig must get it",
  },
  {
    name: "etcd-ca",
    certificate: "pki/etcd/ca.crt",
    key: "pki/etcd/ca.key",
    loss: "no certificate of etcd can be made; a new authority must be given to all members and API servers while they are stopped",
  },
  {
    name: "front-proxy-ca",
    certificate: "pki/front-proxy-ca.crt",
    key: "pki/front-proxy-ca.key",
    loss:
      "no front-proxy-client can be made; a new authority can be made at once, since only the API " +
      "servers use it: each needs it and a restart",
  },
];

/** What the node's certificates are made for. */
export interface NodeIdentity {
  readonly node: string;
  /** The address that its API server and etcd are reached at. */
  readonly address: string;
  /** First address of the services' network: the API server's own service. */
  readonly serviceAddress: string;
  /** Such as `cluster.local`. */
  readonly domain: string;
  /** Host of the control plane's common endpoint, and other names of the API server. */
  readonly otherNames: readonly string[];
  /** 36 for 1.36. */
  readonly minor: number;
}

export interface KubeadmCertificate {
  /** kubeadm's name of it. */
  readonly name: string;
  /** Below `/etc/kubernetes`. */
  readonly certificate: string;
  readonly key: string;
  readonly authority: AuthorityName;
  readonly purpose: string;
  readonly request: (node: NodeIdentity) => Omit<CertificateRequest, "notBefore" | "notAfter">;
}

/** Since 1.29 administrators are a group that can be taken their rights, before they were the superuser's. */
const GROUP_SINCE = 29;
/** Since then the API server's right to ask kubelets is its user's own. */
const KUBELET_CLIENT_WITHOUT_GROUP_SINCE = 36;

function adminGroup(minor: number): string {
  return minor >= GROUP_SINCE ? "kubeadm:cluster-admins" : "system:masters";
}

function etcdClientGroups(minor: number): string[] {
  return minor >= GROUP_SINCE ? [] : ["system:masters"];
}

const etcdNames = ({ node, address }: NodeIdentity) => ["localhost", node, address, "127.0.0.1", "::1"];

export const CERTIFICATES: readonly KubeadmCertificate[] = [
  {
    ...{ name: "apiserver", certificate: "pki/apiserver.crt", key: "pki/apiserver.key", authority: "ca" },
    purpose: "the API server, to its clients",
    request: ({ node, address, serviceAddress, domain, otherNames }) => ({
      commonName: "kube-apiserver",
      use: "server",
      names: distinct([
        ...["kubernetes", "kubernetes.default", "kubernetes.default.svc", `kubernetes.default.svc.${domain}`],
        ...[node, serviceAddress, address, ...otherNames],
      ]),
    }),
  },
  {
    name: "apiserver-kubelet-client",
    certificate: "pki/apiserver-kubelet-client.crt",
    key: "pki/apiserver-kubelet-client.key",
    authority: "ca",
    purpose: "the API server, to kubelets: logs, exec, port-forward",
    request: ({ minor }) => ({
      commonName: "kube-apiserver-kubelet-client",
      organizations: minor >= KUBELET_CLIENT_WITHOUT_GROUP_SINCE ? [] : [adminGroup(minor)],
      use: "client",
    }),
  },
  {
    name: "apiserver-etcd-client",
    certificate: "pki/apiserver-etcd-client.crt",
    key: "pki/apiserver-etcd-client.key",
    authority: "etcd-ca",
    purpose: "the API server, to etcd",
    request: ({ minor }) => ({
      commonName: "kube-apiserver-etcd-client",
      organizations: etcdClientGroups(minor),
      use: "client",
    }),
  },
  {
    name: "etcd-server",
    certificate: "pki/etcd/server.crt",
    key: "pki/etcd/server.key",
    authority: "etcd-ca",
    purpose: "etcd, to its clients",
    request: (node) => ({ commonName: node.node, use: "peer", names: etcdNames(node) }),
  },
  {
    name: "etcd-peer",
    certificate: "pki/etcd/peer.crt",
    key: "pki/etcd/peer.key",
    authority: "etcd-ca",
    purpose: "etcd, to its peers",
    request: (node) => ({ commonName: node.node, use: "peer", names: etcdNames(node) }),
  },
  {
    name: "etcd-healthcheck-client",
    certificate: "pki/etcd/healthcheck-client.crt",
    key: "pki/etcd/healthcheck-client.key",
    authority: "etcd-ca",
    purpose: "etcd's probes, and etcdctl",
    request: ({ minor }) => ({
      commonName: "kube-etcd-healthcheck-client",
      organizations: etcdClientGroups(minor),
      use: "client",
    }),
  },
  {
    name: "front-proxy-client",
    certificate: "pki/front-proxy-client.crt",
    key: "pki/front-proxy-client.key",
    authority: "front-proxy-ca",
    purpose: "the API server, to aggregated API servers",
    request: () => ({ commonName: "front-proxy-client", use: "client" }),
  },
];

export interface KubeadmKubeconfig {
  /** Below `/etc/kubernetes`. */
  readonly file: string;
  readonly purpose: string;
  /** The user that it holds a certificate of, all signed by `ca`. */
  readonly user: (node: NodeIdentity) => { readonly commonName: string; readonly organizations: readonly string[] };
  /** Whether it calls this node's own API server, or the control plane's common endpoint. */
  readonly calls: "own" | "common";
  /** Made where a cluster begins, and on no other node. */
  readonly onFirstNodeOnly?: true;
}

export const KUBECONFIGS: readonly KubeadmKubeconfig[] = [
  {
    file: "admin.conf",
    purpose: "administrators",
    user: ({ minor }) => ({ commonName: "kubernetes-admin", organizations: [adminGroup(minor)] }),
    calls: "common",
  },
  {
    file: "super-admin.conf",
    purpose: "administrators, past all authorization",
    user: () => ({ commonName: "kubernetes-super-admin", organizations: ["system:masters"] }),
    calls: "common",
    onFirstNodeOnly: true,
  },
  {
    file: "controller-manager.conf",
    purpose: "the controller manager",
    user: () => ({ commonName: "system:kube-controller-manager", organizations: [] }),
    calls: "own",
  },
  {
    file: "scheduler.conf",
    purpose: "the scheduler",
    user: () => ({ commonName: "system:kube-scheduler", organizations: [] }),
    calls: "own",
  },
];

/** The kubelet's own: it renews its certificate itself while that is valid, so that it is apart from the kubeconfigs. */
export const KUBELET_CONFIG = "kubelet.conf";
export const KUBELET_PURPOSE = "the kubelet, to the API server";

export function kubeletUser(node: string): { readonly commonName: string; readonly organizations: readonly string[] } {
  return { commonName: `system:node:${node}`, organizations: ["system:nodes"] };
}

function distinct(names: readonly string[]): string[] {
  return [...new Set(names.filter((name) => name !== ""))];
}

/** First address of the first network of `10.96.0.0/16,fd00::/108`. */
export function firstAddress(range: string): string | undefined {
  const [network = ""] = defined(range.split(",")[0]).split("/");
  const v4 = /^(\d+\.\d+\.\d+)\.(\d+)$/.exec(network);
  if (v4 !== null) return `${v4[1]}.${Number(v4[2]) + 1}`;
  return network.endsWith("::") ? `${network}1` : undefined;
}
