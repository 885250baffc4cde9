/**
 * Starts a cluster from an asset dir, new or recovered: a temporary control plane on this machine, from files alone,
 * creates the permanent one, waits until that can take over, makes way for it, and stays to see that it does its work.
 */
import { join } from "node:path";
import { MendError } from "../../errors/errors.ts";
import { explainApiFailure } from "../../io/api-server/api-failure.ts";
import { lockBootstrap, placeFiles, removeManifests, removeSecrets } from "../../io/files/bootstrap-files.ts";
import { bringEtcdBack, type EtcdOutcome, etcdOutcome } from "./bring-etcd-back.ts";
import { deleteRejectedPods, reportLostNodes } from "./clear-the-way.ts";
import type { Creation } from "./create-manifests.ts";
import { prepareStart } from "./prepare-start.ts";
import { runStart } from "./run-start.ts";
import type { Start, StartOptions } from "./start-options.ts";

export interface StartResult extends Creation {
  readonly node: string;
  /** Where etcd was brought back, too: where it is from now on. */
  readonly etcd: EtcdOutcome | undefined;
}

/** What a start would do. */
export interface StartPreview {
  readonly node: string;
  /** Files for the kubelet, which go away again at the end. */
  readonly manifests: readonly string[];
  readonly secretsDir: string;
  /** The etcd that is brought back, and stays. `restores` is undefined where its data are there already. */
  readonly etcd: (EtcdOutcome & { readonly restores: string | undefined }) | undefined;
  readonly objects: number;
  /** Pods that have to run in the end, as `NAMESPACE/PREFIX`. */
  readonly required: readonly string[];
}

/** Checks everything that a start checks before it touches anything, and changes nothing. */
export async function previewStart(options: StartOptions): Promise<StartPreview> {
  const { api, ended, etcd, node, places, plan, pods, required } = await prepareStart(options);
  ended.abort();
  api.close();
  return {
    node,
    manifests: pods.map(({ fileName }) => join(places.podManifestPath, fileName)),
    secretsDir: places.secretsDir,
    etcd:
      etcd === undefined
        ? undefined
        : { ...etcdOutcome(etcd), restores: etcd.state.isRestored ? undefined : etcd.plan.recovery.backup },
    objects: plan.objects.length,
    required: required.map(({ namespace, prefix }) => `${namespace}/${prefix}`),
  };
}

export async function startControlPlane(options: StartOptions): Promise<StartResult> {
  // From the first look on: what an earlier start has left is not what another one is doing.
  using _lock = lockBootstrap(options);
  const start = await prepareStart(options);
  try {
    if (start.etcd !== undefined) await bringEtcdBack(start.etcd, options);
    await placeFiles(start.places, start.plan.secrets, start.pods);
    options.report(`temporary control plane: ${start.pods.map(({ pod }) => pod.metadata.name).join(", ")}`);
    const { creation, view } = await runStart(start);
    await deleteRejectedPods(start, view);
    reportLostNodes(start, view);
    const etcd = start.etcd === undefined ? undefined : etcdOutcome(start.etcd);
    return { ...creation, node: start.node, etcd };
  } catch (error) {
    options.signal.throwIfAborted();
    throw await explainApiFailure(error, start.api.access, options.now());
  } finally {
    start.ended.abort();
    start.api.close();
    await tearDown(start);
  }
}

/** Always, also after an error and after Ctrl-C; changes nothing when it has been done. */
export async function tearDown({ places, options }: Start): Promise<void> {
  try {
    const changed = await removeManifests(places);
    for (const path of changed) options.report(`warning: "${path}" was changed by somebody, and stays`);
    await removeSecrets(places);
  } catch (error) {
    if (!(error instanceof MendError)) throw error; // and another error must not be lost over this one
    options.report(`warning: the temporary control plane is not taken away: ${error.message}`);
  }
}
