/**
 * From a {@link Cluster} to all files of its asset dir. The bootstrap pods are made from the permanent manifests by the
 * same fix-ups as in a recovery: a cluster starts for the first time the way it starts again.
 */
import { selectControlPlane } from "../../controlplane/select.ts";
import { invariant, MendError } from "../../errors/errors.ts";
import type { JsonObject, KubeObject } from "../../kube/object.ts";
import { type Asset, AssetSet } from "../asset.ts";
import { manifestYaml } from "../manifest.ts";
import { renderBootstrap } from "../render.ts";
import { checkpointerManifests } from "./checkpointer-manifests.ts";
import type { Cluster } from "./cluster.ts";
import {
  adminKubeconfig,
  type GivenFiles,
  kubeletKubeconfig,
  makeBootstrapToken,
  makeTlsFiles,
} from "./cluster-files.ts";
import { controlPlaneLabel, controlPlaneManifests } from "./control-plane-manifests.ts";
import { dnsManifests } from "./dns-manifests.ts";
import {
  flannelManifests,
  inClusterKubeconfig,
  joinManifests,
  KUBECONFIG_MAP,
  proxyManifests,
} from "./node-manifests.ts";

/** A manifest of the user's own, created with the others. */
export interface ExtraManifest {
  /** The file's name, without a directory. */
  readonly name: string;
  readonly text: string;
}

/** Sorted by path. The same but for keys and serial numbers, whenever it is made of the same cluster. */
export async function renderCluster(
  cluster: Cluster,
  given: GivenFiles,
  extra: readonly ExtraManifest[],
): Promise<Asset[]> {
  const tls = await makeTlsFiles(cluster, given);
  const token = makeBootstrapToken();
  const controlPlane = controlPlaneManifests(cluster, tls);
  const manifests: Record<string, JsonObject> = {
    ...controlPlane,
    "kubeconfig-in-cluster": inClusterKubeconfig(cluster.server, manifestYaml),
    ...proxyManifests(cluster),
    ...(cluster.networkProvider === "flannel" ? flannelManifests(cluster) : {}),
    ...dnsManifests(cluster),
    ...joinManifests(token),
    ...(cluster.checkpointer
      ? checkpointerManifests({
          image: cluster.images.checkpointer,
          nodeLabel: controlPlaneLabel(cluster),
          kubeconfigMap: KUBECONFIG_MAP,
        })
      : {}),
  };
  const admin = new TextEncoder().encode(manifestYaml(adminKubeconfig(cluster, tls) as JsonObject));

  const plane = selectControlPlane(Object.values(controlPlane) as KubeObject[]);
  invariant(plane.missing.length === 0, `the rendered control plane lacks ${plane.missing[0]?.text}`);
  const bootstrap = renderBootstrap(plane, { kubeconfig: admin, etcdBackup: undefined });

  const assets = new AssetSet();
  for (const { path, content, mode } of bootstrap.assets) assets.add(path, content, mode); // auth/kubeconfig is among them
  for (const [path, text] of tls) assets.add(`tls/${path}`, text);
  assets.add("auth/kubeconfig-kubelet", manifestYaml(kubeletKubeconfig(cluster, tls, token) as JsonObject));
  for (const [name, manifest] of Object.entries(manifests))
    assets.add(`manifests/${name}.yaml`, manifestYaml(manifest));
  addExtra(assets, manifests, extra);
  return assets.sorted();
}

function addExtra(
  assets: AssetSet,
  manifests: Readonly<Record<string, JsonObject>>,
  extra: readonly ExtraManifest[],
): void {
  const taken = extra
    .filter(({ name }) => name.replace(/\.ya?ml$|\.json$/, "") in manifests)
    .map(({ name }) => `"${name}"`);
  if (taken.length > 0) {
    throw new MendError("already-exists", `extra manifests have names of rendered ones: ${taken.join(", ")}`, {
      hint: "rename these files",
    });
  }
  for (const { name, text } of extra) assets.add(`manifests/${name}`, text);
}
