/** What this machine carries of a control plane. */
import { existsSync } from "node:fs";
import { hostname } from "node:os";
import type { LocalComponent, LocalFacts, LocalProcess } from "../../../diagnosis/facts.ts";
import { findIdentity } from "../../../io/files/kubeadm-identity.ts";
import { names } from "../../../io/files/quiet-reads.ts";
import { controlPlaneFiles, etcdData, processState, serviceManager } from "../../../io/node/control-plane-traces.ts";
import {
  type ComponentManifest,
  type ComponentProcess,
  checkpointedManifests,
  componentLog,
  componentManifests,
  componentProcesses,
  strayManifest,
  unitOf,
} from "../../../io/node/local-components.ts";
import { ageOf, findKubelet, findListener, ownAddresses } from "../../../io/node/local-node.ts";
import { staticPodDirectory } from "../../../io/node/static-pod-directory.ts";
import type { ComponentName } from "../../../kube/component.ts";
import { type Flag, flagNamed } from "../../../kube/container-flags.ts";
import { type CertificateState, listCertificates } from "../../certificate/list-certificates.ts";

const COMPONENTS: readonly ComponentName[] = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];
/** Every kubelet that has run once has put its certificates there. */
const KUBELET_PKI = "/var/lib/kubelet/pki";
const LOG_LINES = 4;
/** kubeadm writes it where it starts a kubelet. */
const KUBEADM_FLAGS = "/var/lib/kubelet/kubeadm-flags.env";

/**
 * Undefined where there is nothing of a control plane here, and no kubelet. `callsHere`: the API server is called by an
 * address of this machine.
 */
export function gatherLocal(now: number, callsHere: boolean): LocalFacts | undefined {
  const kubelet = findKubelet();
  const staticPods = staticPodDirectory(kubelet);
  const processes = componentProcesses();
  const manifests = componentManifests(staticPods);
  const checkpoints = checkpointedManifests();
  const components = COMPONENTS.flatMap((name): LocalComponent[] => {
    const found = {
      process: processes.find((each) => each.name === name),
      manifest: manifests.find((each) => each.name === name),
      checkpoint: checkpoints.find((each) => each.name === name),
    };
    const stray = found.manifest === undefined ? strayManifest(name, staticPods) : undefined;
    const unit = unitOf(name);
    const log = componentLog(name, LOG_LINES, now);
    const expected = name === "kube-apiserver" && callsHere;
    const traces = [found.process, found.manifest, stray, unit, log];
    if (traces.every((each) => each === undefined) && !expected) return [];
    const flags = (found.process ?? found.manifest ?? found.checkpoint ?? stray)?.flags ?? [];
    const port = portOf(name, flags);
    return [
      {
        ...describe(found),
        name,
        flags,
        strayManifest: stray?.path,
        unit,
        log,
        port,
        portTakenBy: taker(name, port, found.process?.pid),
      },
    ];
  });
  const installed = kubelet !== undefined || names(KUBELET_PKI).length > 0;
  const files = controlPlaneFiles();
  if (components.length === 0 && !installed && files.length === 0) return undefined;
  return {
    nodeName: kubelet?.nodeName ?? kubeadmNodeName() ?? hostname().toLowerCase(),
    kubelet: { process: kubelet && processFacts(kubelet.pid), installed, staticPods },
    components,
    serviceManager: serviceManager(),
    addresses: [...ownAddresses()],
    files,
    lostCertificates: lostCertificates(now),
    etcdData: etcdData(
      etcdDataDir(
        [...manifests, ...checkpoints, strayManifest("etcd", staticPods)],
        components.find(({ name }) => name === "etcd")?.flags,
      ),
    ),
  };
}

/**
 * Where etcd's data is on this machine: a container may see it elsewhere than it is, which only the manifest shows.
 * Undefined where nothing says it.
 */
export function etcdDataDir(
  manifests: readonly (ComponentManifest | undefined)[],
  flags: readonly Flag[] | undefined,
): string | undefined {
  const known = manifests.find((manifest) => manifest?.etcd?.dataDir !== undefined);
  return known?.etcd?.dataDir ?? flagNamed(flags, "data-dir");
}

function describe({
  process,
  manifest,
}: {
  readonly process: ComponentProcess | undefined;
  readonly manifest: ComponentManifest | undefined;
}): Pick<LocalComponent, "process" | "manifest"> {
  return {
    process: process && processFacts(process.pid),
    manifest: manifest && { path: manifest.path, fault: manifest.fault },
  };
}

/** As its kubelet registers it, by what kubeadm wrote: the machine's own name may be another. */
function kubeadmNodeName(): string | undefined {
  return existsSync(KUBEADM_FLAGS) ? findIdentity("/etc/kubernetes", "/var/lib/kubelet").node : undefined;
}

/** Only kubeadm lays files out as it does: elsewhere nothing is missed. */
function lostCertificates(now: number): string[] {
  if (!existsSync(KUBEADM_FLAGS)) return [];
  const { certificates } = listCertificates({ kubernetesDir: "/etc/kubernetes", kubeletDir: "/var/lib/kubelet" }, now);
  const lost: readonly CertificateState[] = ["missing", "unreadable", "key-missing"];
  return certificates.filter(({ state }) => lost.includes(state)).map(({ file }) => file);
}

function processFacts(pid: number): LocalProcess {
  return { pid, ageMilliseconds: ageOf(pid), state: processState(pid) };
}

const PORTS: Readonly<Record<ComponentName, number>> = {
  etcd: 2379,
  "kube-apiserver": 6443,
  "kube-controller-manager": 10257,
  "kube-scheduler": 10259,
};

function portOf(name: ComponentName, flags: readonly Flag[]): number {
  const value = (flag: string) => flags.findLast((each) => each.name === flag)?.value;
  const portText =
    name === "etcd" ? /:(\d+)/.exec(value("listen-client-urls")?.split("//")[1] ?? "")?.[1] : value("secure-port");
  const port = Number(portText);
  return Number.isInteger(port) && port > 0 ? port : PORTS[name];
}

/** Who listens on a component's port and is not it. */
function taker(name: ComponentName, port: number, own: number | undefined): LocalComponent["portTakenBy"] {
  const listener = findListener(port, own);
  if (listener === undefined || listener.pid === undefined) return undefined;
  return listener.name === name || listener.name === "hyperkube" ? undefined : listener;
}
