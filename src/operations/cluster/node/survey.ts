/** What this node has and does, for whoever plans an operation on several nodes. Changes nothing. */

import { existsSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import packageJson from "../../../../package.json" with { type: "json" };
import { readCertificates } from "../../../certificates/faults.ts";
import { KUBELET_CONFIG } from "../../../certificates/kubeadm.ts";
import { SHARED_FILES } from "../../../certificates/kubeadm-certs.ts";
import type { NodeFacts } from "../../../cluster/node-facts.ts";
import { KUBERNETES } from "../../../cluster/node-needs.ts";
import { contents } from "../../../io/etcd/data-dir-place.ts";
import { knownPeerUrls, type NewestRevision, newestRevision } from "../../../io/etcd/newest-revision.ts";
import { freeBytes, isSameDisk } from "../../../io/files/durable/disk-space.ts";
import { findIdentity } from "../../../io/files/kubeadm-identity.ts";
import { names, readQuietly } from "../../../io/files/quiet-reads.ts";
import { findEtcdService } from "../../../io/node/etcd-service.ts";
import { hasKubeletUnit } from "../../../io/node/kubelet-service.ts";
import { type ComponentManifest, componentManifests, componentProcesses } from "../../../io/node/local-components.ts";
import { findKubelet, listenerOf } from "../../../io/node/local-node.ts";
import { isRoot } from "../../../io/node/own-identity.ts";
import { staticPodDirectory } from "../../../io/node/static-pod-directory.ts";
import { type CertificateList, listCertificates } from "../../certificate/list-certificates.ts";
import { absentImages } from "../../start/absent-images.ts";
import { OPERATIONS, readJournals } from "./journal.ts";
import { placesBeside } from "./restore-member.ts";

const KUBELET = "/var/lib/kubelet";
const KUBELET_CONF = join(KUBERNETES, KUBELET_CONFIG);

export interface SurveyRequest {
  readonly dataDir: string;
  /** Files that the node needs, by the backup. */
  readonly files: readonly string[];
  /** Ports that its control plane listens on, each with the component. */
  readonly ports: readonly (readonly [port: number, component: string])[];
  readonly images: readonly string[];
  /** Whether etcd is a unit of systemd's here, which says where its data is. */
  readonly isEtcdHost?: boolean;
}

export async function surveyNode(
  { dataDir: planned, files, ports, images, isEtcdHost = false }: SurveyRequest,
  signal: AbortSignal,
): Promise<NodeFacts> {
  const service = isEtcdHost ? await findEtcdService() : undefined;
  const dataDir = service?.dataDir ?? planned;
  const kubelet = findKubelet();
  const listed = listCertificates({ kubernetesDir: KUBERNETES, kubeletDir: KUBELET }, Date.now());
  const staticPods = staticPodDirectory(kubelet);
  const manifests = componentManifests(staticPods);
  const inside = contents(dataDir);
  const present = inside.includes("member");
  const running = [...new Set(componentProcesses().map(({ name }) => name))].sort();
  const newest = present
    ? await readNewest(dataDir, running.includes("etcd"), signal)
    : { revision: null, fault: null };
  return {
    version: packageJson.version,
    nodeName: kubelet?.nodeName ?? findIdentity(KUBERNETES, KUBELET).node ?? hostname().toLowerCase(),
    time: Date.now(),
    isRoot: isRoot(),
    kubelet: { running: kubelet !== undefined, staticPods, hasUnit: await hasKubeletUnit() },
    manifests: manifests.map(({ name }) => name),
    ...manifestFacts(manifests),
    running,
    etcd: {
      present,
      newestRevision: newest.revision,
      fault: newest.fault,
      freeBytes: freeBytes(dataDir),
      foreign: inside.filter((name) => name !== "member" && !/^(?:before|unused|undone|staged)-/.test(name)),
      peerUrls: present ? knownPeerUrls(dataDir) : [],
      revisionsBeside: revisionsBeside(dataDir),
    },
    freeForBackup: isSameDisk(dataDir, OPERATIONS) ? null : freeBytes(OPERATIONS),
    etcdService:
      service === undefined ? null : { ...service, dataDir: service.dataDir ?? null, owner: service.owner ?? null },
    missingFiles: files.filter(
      (path) => !existsSync(path) || (path === KUBELET_CONF && isKubeletCertificateLost(listed)),
    ),
    sharedFiles: SHARED_FILES.map((file) => join(KUBERNETES, "pki", file)).filter((path) => existsSync(path)),
    authorities: readCertificates(readQuietly(join(KUBERNETES, "pki/ca.crt"))).map((each) => each.fingerprint256),
    expired: expiredCertificates(listed),
    takenPorts: ports.flatMap(([port, component]) => {
      const program = (running as readonly string[]).includes(component) ? undefined : listenerOf(port);
      return program === undefined ? [] : [{ port, component, program }];
    }),
    absentImages: (await absentImages(kubelet, images, signal)) ?? null,
    journals: readJournals(),
  };
}

/** What an operation on etcd has to know of the manifests that are there. */
export function manifestFacts(
  manifests: readonly ComponentManifest[],
): Pick<NodeFacts, "etcdManifest" | "unreadableManifests"> {
  const etcd = manifests.find((manifest) => manifest.etcd !== undefined)?.etcd;
  return {
    unreadableManifests: manifests.flatMap(({ path, fault }) => (fault === undefined ? [] : [{ path, fault }])),
    etcdManifest:
      etcd === undefined
        ? null
        : {
            dataDir: etcd.dataDir ?? null,
            walDir: etcd.walDir ?? null,
            forcesNewCluster: etcd.forcesNewCluster,
          },
  };
}

/** Of data that was restored and taken back, or that was replaced: the cluster served it once. */
export function revisionsBeside(dataDir: string): number[] {
  return placesBeside(dataDir)
    .filter((place) => names(place).includes("member"))
    .flatMap((place) => newestRevision(place).revision ?? []);
}

const MOST_LOOKS = 5;
const LOOK_MS = 200;

/** While etcd writes, what is read may be half of a write: only what stays so is damage. */
async function readNewest(dataDir: string, isWritten: boolean, signal: AbortSignal): Promise<NewestRevision> {
  for (let look = 1; ; look++) {
    const newest = newestRevision(dataDir);
    if (newest.fault === null || !isWritten || look === MOST_LOOKS) return newest;
    await sleep(LOOK_MS, undefined, { signal });
  }
}

/** `kubelet.conf` names a file of the kubelet's own directory, which may have been on another disk. */
export function isKubeletCertificateLost({ certificates }: CertificateList): boolean {
  return certificates.some(({ name, state }) => name === KUBELET_CONFIG && /missing$/.test(state));
}

function expiredCertificates({ certificates }: CertificateList): NodeFacts["expired"] {
  return certificates
    .filter(({ state, authority }) => state === "expired" && authority !== null)
    .map(({ name, externallyManaged }) => ({ name, renewable: !externallyManaged }));
}
