/**
 * Whether this machine runs its control plane as static pods, and which of them it should have, by what is left when
 * manifests are gone: the kubelet removes a pod's logs within a minute, and then only its neighbours, its certificates,
 * its data and what the API server remembers speak of it.
 */
import type { ComponentName } from "../kube/component.ts";
import { flagNamed } from "../kube/container-flags.ts";
import { holderHost } from "../kube/lease.ts";
import type { Facts, LocalComponent, LocalFacts } from "./facts.ts";

/** Keys that a control-plane node of kubeadm has and a worker has not: they speak for every component. */
const CONTROL_PLANE_FILES = /^\/etc\/kubernetes\/pki\/(?:ca|sa|front-proxy-ca)\.key$/;
/** Files that kubeadm makes for one component. */
const OWN_FILES: Readonly<Partial<Record<ComponentName, string>>> = {
  "kube-apiserver": "/etc/kubernetes/pki/apiserver.crt",
  "kube-controller-manager": "/etc/kubernetes/controller-manager.conf",
  "kube-scheduler": "/etc/kubernetes/scheduler.conf",
};
/** Those of one with an etcd of its own. */
const ETCD_FILES = /^\/etc\/kubernetes\/pki\/etcd\/(?:ca\.key|server\.crt|peer\.crt)$/;

const WITHOUT_ETCD: readonly ComponentName[] = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"];

/**
 * Why a static pod of each component is believed to belong on this machine, a sentence each; a component that nothing
 * speaks for is not in it.
 */
export function expectedStaticPods(facts: Facts): ReadonlyMap<ComponentName, string> {
  const { local, cluster } = facts;
  const expected = new Map<ComponentName, string>();
  if (local === undefined || !mayHaveStaticPods(local)) return expected;
  const note = (name: ComponentName, why: string) => {
    if (!expected.has(name) && isUnclaimed(name, local)) expected.set(name, why);
  };
  for (const { component, node } of cluster?.staticPods ?? []) {
    if (node === local.nodeName) note(component, `the API server still has its pod on node "${node}"`);
  }
  const sibling = local.components.find(({ name, manifest }) => name !== "etcd" && manifest !== undefined)?.manifest
    ?.path;
  const key = local.files.find((path) => CONTROL_PLANE_FILES.test(path));
  for (const name of WITHOUT_ETCD) {
    const file = local.files.find((path) => path === OWN_FILES[name]) ?? key;
    if (file !== undefined) note(name, `${file} is there, as on a control-plane node`);
    else if (sibling !== undefined && wasHere(name, facts, local))
      note(name, `it ran on this machine beside ${sibling}`);
  }
  const etcd = whyEtcd(local);
  if (etcd !== undefined) note("etcd", etcd);
  return expected;
}

/** Whether anything says that control planes of this cluster are static pods, here or elsewhere. */
export function usesStaticPods(facts: Facts): boolean {
  if ((facts.cluster?.staticPods.length ?? 0) > 0) return true;
  const { local } = facts;
  if (local === undefined) return false;
  return local.components.some(isStaticPod) || expectedStaticPods(facts).size > 0;
}

export function isStaticPod({ manifest, strayManifest, log }: LocalComponent): boolean {
  return manifest !== undefined || strayManifest !== undefined || log?.staticPod === true;
}

/** The API server that is called by an address of this machine, or the component that held its lease from here last. */
function wasHere(name: ComponentName, { api, cluster }: Facts, { nodeName }: LocalFacts): boolean {
  if (name === "kube-apiserver") return api?.isLocal === true;
  const component = cluster?.components.find((each) => each.name === name);
  const isGone = component?.lease?.renewedMeanwhile === false && component.workload === undefined;
  const holder = component?.lease?.holder ?? "";
  return isGone && holder !== "" && holderHost({ holder }) === nodeName;
}

/** A component with traces of its own of another kind is no static pod: a service, a self-hosted pod, a program that runs by itself. */
function isUnclaimed(name: ComponentName, local: LocalFacts): boolean {
  const own = local.components.find((component) => component.name === name);
  return own === undefined || (own.unit === undefined && own.process === undefined && (own.log?.staticPod ?? true));
}

/** Where the API server is a service, or runs outside of pods, the others do not come by a kubelet. */
function mayHaveStaticPods(local: LocalFacts): boolean {
  const server = local.components.find(({ name }) => name === "kube-apiserver");
  if (server === undefined) return true;
  if (server.unit !== undefined || (server.log !== undefined && !server.log.staticPod)) return false;
  return server.process === undefined || isStaticPod(server);
}

/** Its API server dials it here, its certificates are here, or its data. One that the API server dials elsewhere is elsewhere. */
function whyEtcd(local: LocalFacts): string | undefined {
  const server = local.components.find(({ name }) => name === "kube-apiserver");
  const servers = flagNamed(server?.flags, "etcd-servers");
  if (servers !== undefined) {
    const own = servers.split(",").find((url) => isOwn(url, local));
    return own === undefined ? undefined : `the API server here is configured to use etcd at ${own}`;
  }
  const file = local.files.find((path) => ETCD_FILES.test(path));
  if (file !== undefined) return `${file} is there`;
  if (local.etcdData.state !== "member" || !local.files.some((path) => CONTROL_PLANE_FILES.test(path)))
    return undefined;
  return `its data is in ${local.etcdData.path}`;
}

/** Whether an URL leads to this machine. */
export function isOwn(url: string, { addresses }: Pick<LocalFacts, "addresses">): boolean {
  const host = URL.parse(url)?.hostname.replace(/^\[(.*)\]$/, "$1");
  if (host === undefined) return false;
  return host === "localhost" || host === "::1" || host.startsWith("127.") || addresses.includes(host);
}
