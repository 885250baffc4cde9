/** From a control plane to the assets that bring it back: pure, and everything in hand before anything is written. */

import type { StaticPodNode } from "../controlplane/control-plane.ts";
import type { ControlPlane } from "../controlplane/flavours/flavours.ts";
import type { SelfHostedControlPlane } from "../controlplane/flavours/self-hosted.ts";
import type { StaticPodControlPlane } from "../controlplane/flavours/static-pods.ts";
import { type HostFile, hostFilesOf } from "../controlplane/host-files.ts";
import { type Finding, MendError } from "../errors/errors.ts";
import { input } from "../errors/input.ts";
import { dataKey } from "../kube/data-object.ts";
import { type Asset, AssetSet } from "./asset.ts";
import {
  bootEtcdOf,
  bootstrapEtcdPod,
  bootstrapEtcdService,
  type EtcdBackup,
  migrateEtcdCluster,
} from "./bootstrap-etcd.ts";
import { bootstrapPod } from "./bootstrap-pod.ts";
import { hostFileList } from "./host-file-list.ts";
import { manifestJson, manifestYaml } from "./manifest.ts";
import { staticPodManifest } from "./static-pod.ts";

export interface RenderOptions {
  /** The kubeconfig that `start` uses, as it is. A self-hosted control plane cannot do without. */
  readonly kubeconfig: Uint8Array | undefined;
  /** What self-hosted etcd starts from; undefined where it runs. */
  readonly etcdBackup: EtcdBackup | undefined;
}

export interface Rendering {
  /** Sorted by path. */
  readonly assets: readonly Asset[];
  readonly findings: readonly Finding[];
  /** For static pods: what each node needs besides, by node name. */
  readonly hostFiles: ReadonlyMap<string, readonly HostFile[]>;
}

/** Renders also while something is missing: whether that is acceptable, the caller has decided by `plane.missing`. */
export function renderBootstrap(plane: ControlPlane, options: RenderOptions): Rendering {
  switch (plane.flavour) {
    case "self-hosted":
    case "self-hosted-etcd":
      return renderSelfHosted(plane, options);
    case "static-pods":
      return renderStaticPods(plane, options);
  }
}

function renderSelfHosted(plane: SelfHostedControlPlane, options: RenderOptions): Rendering {
  if (options.kubeconfig === undefined) {
    throw new MendError("usage", "a self-hosted control plane needs a kubeconfig to start with", {
      hint: `pass ${input("kubeconfig")}: the one on a control-plane node at /etc/kubernetes/kubeconfig will do`,
    });
  }
  const assets = new AssetSet();
  const findings: Finding[] = [];
  const { etcd } = plane;
  // Without a backup etcd lives: the API server dials it as ever.
  const bootEtcd = etcd === undefined || options.etcdBackup === undefined ? undefined : bootEtcdOf(etcd);
  for (const workload of plane.workloads) {
    const pod = bootstrapPod(workload, plane, bootEtcd, assets, findings);
    assets.add(`bootstrap-manifests/${pod.name}.yaml`, manifestYaml(pod.manifest));
  }
  if (etcd !== undefined && options.etcdBackup !== undefined) {
    addEtcdTls(plane, assets);
    assets.add("bootstrap-manifests/bootstrap-etcd.yaml", manifestYaml(bootstrapEtcdPod(etcd, options.etcdBackup)));
    assets.add("etcd/bootstrap-etcd-service.json", manifestJson(bootstrapEtcdService(etcd)));
    assets.add("etcd/migrate-etcd-cluster.json", manifestJson(migrateEtcdCluster(etcd)));
  }
  assets.add("auth/kubeconfig", options.kubeconfig);
  const hostFiles = addStaticPods(plane.nodes, assets);
  return { assets: assets.sorted(), findings, hostFiles };
}

/** bootkube's places: the client's files in `tls/`, the servers' and the peers' in `tls/etcd/`. */
function addEtcdTls(plane: SelfHostedControlPlane, assets: AssetSet): void {
  const { etcd } = plane;
  if (etcd?.tls === undefined) return;
  for (const [secret, folder] of [
    [etcd.tls.peerSecret, "tls/etcd"],
    [etcd.tls.serverSecret, "tls/etcd"],
    [etcd.tls.clientSecret, "tls"],
  ] as const) {
    const object = plane.data.get(dataKey("Secret", etcd.namespace, secret));
    for (const [key, bytes] of object?.data ?? []) assets.add(`${folder}/${key}`, bytes);
  }
}

function renderStaticPods(plane: StaticPodControlPlane, options: RenderOptions): Rendering {
  const assets = new AssetSet();
  const hostFiles = addStaticPods(plane.nodes, assets);
  if (plane.kubeadmConfiguration !== undefined) assets.add("kubeadm-config.yaml", plane.kubeadmConfiguration);
  if (options.kubeconfig !== undefined) assets.add("auth/kubeconfig", options.kubeconfig);
  return { assets: assets.sorted(), findings: [], hostFiles };
}

/** A folder for each node: its manifests, and the list of what they need besides, which is returned by node. */
function addStaticPods(nodes: readonly StaticPodNode[], assets: AssetSet): Map<string, readonly HostFile[]> {
  const hostFiles = new Map<string, readonly HostFile[]>();
  for (const node of nodes) {
    for (const pod of node.pods) {
      assets.add(`nodes/${node.name}/manifests/${pod.name}.yaml`, manifestYaml(staticPodManifest(pod)));
    }
    const files = hostFilesOf(node.pods);
    hostFiles.set(node.name, files);
    assets.add(`nodes/${node.name}/host-files.txt`, hostFileList(node.name, files));
  }
  return hostFiles;
}
