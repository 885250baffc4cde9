/** Everything that can be checked before a start touches anything: the assets, the kubelet, whose files are there, who answers already. */

import { accessProblems } from "../../bootstrap/asset-access.ts";
import type { RequiredPod } from "../../bootstrap/pivot.ts";
import { type AssetFile, type BootstrapManifest, planStart, type StartPlan } from "../../bootstrap/start-plan.ts";
import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import { explainApiFailure } from "../../io/api-server/api-failure.ts";
import { ClusterApi } from "../../io/api-server/cluster-api.ts";
import { type ClusterAccess, readClusterAccess } from "../../io/api-server/kubeconfig.ts";
import { isSelfContained, selfContainedKubeconfig } from "../../io/api-server/self-contained-kubeconfig.ts";
import { readAssetFiles, staticPodAssets } from "../../io/files/asset-files.ts";
import { checkPlaces, findLeftover } from "../../io/files/bootstrap-files.ts";
import type { LocalKubelet } from "../../io/node/local-node.ts";
import { prepareEtcd } from "./bring-etcd-back.ts";
import type { StartMachine } from "./machine.ts";
import { hasApiServer, imagesOf, ownApiServerRuns } from "./start-api-server.ts";
import type { Start, StartOptions } from "./start-options.ts";

export async function prepareStart(options: StartOptions): Promise<Start> {
  const { assetDir, podManifestPath, secretsDir, machine } = options;
  refuseStaticPods(options);
  const planned = planStart(readAssetFiles(assetDir), new Date(options.now()));
  const kubelet = checkKubelet(podManifestPath, machine);
  const node = kubelet.nodeName;
  const etcd = planned.etcd === undefined ? undefined : await prepareEtcd(planned.etcd, podManifestPath, machine);
  const places = { secretsDir, podManifestPath };
  const leftover = await findLeftover(places);
  await checkPlaces(places, planned.pods);
  const access = await readClusterAccess([`${assetDir}/auth/kubeconfig`], options);
  const plan = { ...planned, secrets: planned.secrets.map((file) => inOneFile(file, access)) };
  checkAccess(plan, access, options.now());
  const api = new ClusterApi(access, options.manners);
  const oursRuns = ownApiServerRuns(plan, machine, node, leftover?.manifests ?? []);
  if (leftover !== undefined) options.report("an earlier start was not ended: continuing with it");
  const answers = !oursRuns && (await answersAlready(api, plan, options));
  if (answers) options.report(`an API server answers at ${api.access.server.host} already: no temporary one is needed`);
  if (answers && etcd !== undefined && !etcd.state.isRestored) {
    throw new MendError(
      "already-exists",
      `these assets restore etcd, but an API server answers at ${api.access.server.host}, so etcd is not lost`,
      {
        hint: `recover from that API server, with ${input("kubeconfig")} alone`,
      },
    );
  }
  const pods = plan.pods.filter((each) => !answers || each.component !== "kube-apiserver");
  await reportAbsentImages(kubelet, pods, options);
  return {
    options,
    plan,
    pods,
    places,
    api,
    kubelet,
    node,
    etcd,
    required: options.requiredPods ?? defaultRequirements(plan),
    deadline: options.now() + options.timeoutMs,
    ended: new AbortController(),
  };
}

/**
 * A control plane of static pods has no temporary one: the kubelets start it from the manifests, once they and their
 * files are in place.
 */
function refuseStaticPods({ assetDir, podManifestPath, machine }: StartOptions): void {
  const nodes = staticPodAssets(assetDir);
  const [first] = nodes;
  if (first === undefined) return;
  const own = nodes.find((node) => node === machine.findKubelet()?.nodeName) ?? first;
  const folder = `${assetDir}/nodes/${own}`;
  throw new MendError(
    "unsupported",
    `"${assetDir}" holds static pods of ${nodes.map((node) => `"${node}"`).join(", ")}: the kubelet ` +
      "of each node starts them, and there is nothing for start to do",
    {
      where: `${assetDir}/nodes`,
      hint:
        `on ${own}, when the files of ${folder}/host-files.txt are there and etcd's data is restored: sudo cp ` +
        `${folder}/manifests/*.yaml ${podManifestPath}/`,
    },
  );
}

/** An API server that would not know us, or that we would not know, is not worth starting; and one that would is another cluster's. */
function checkAccess(plan: StartPlan, access: ClusterAccess, now: number): void {
  const { server, serverName, ca, certificate, insecure } = access;
  const host = serverName ?? server.hostname.replace(/^\[(.*)\]$/, "$1");
  const problems = accessProblems(plan, { host, ca: insecure ? undefined : ca, certificate }, now);
  if (problems.length === 0) return;
  throw new MendError(
    "config-invalid",
    `the assets' auth/kubeconfig does not fit their API server:\n${problems.join("\n")}`,
    {
      where: access.source,
      hint: "recover again, with the kubeconfig of an administrator of this cluster",
    },
  );
}

/** The temporary pods get the kubeconfig alone: no files beside it, and no program that gives credentials. */
function inOneFile(file: AssetFile, access: ClusterAccess): AssetFile {
  if (file.path !== "kubeconfig" || isSelfContained(Buffer.from(file.bytes).toString("utf8"))) return file;
  return { ...file, bytes: Buffer.from(selfContainedKubeconfig(access)) };
}

async function answersAlready(api: ClusterApi, plan: StartPlan, options: StartOptions): Promise<boolean> {
  try {
    return await hasApiServer(api, plan.pods, options);
  } catch (error) {
    api.close();
    options.signal.throwIfAborted();
    throw await explainApiFailure(error, api.access, options.now());
  }
}

async function reportAbsentImages(
  kubelet: LocalKubelet,
  pods: readonly BootstrapManifest[],
  { machine, signal, report }: StartOptions,
): Promise<void> {
  const absent = (await machine.absentImages(kubelet, pods.flatMap(imagesOf), signal)) ?? [];
  for (const image of absent) report(`image "${image}" is not on this machine: the kubelet has to pull it first`);
}

function checkKubelet(podManifestPath: string, machine: StartMachine): LocalKubelet {
  const kubelet = machine.findKubelet();
  if (kubelet === undefined) {
    throw new MendError("kubelet-not-found", "no kubelet runs on this machine", {
      hint: "start it first, such as with systemctl start kubelet: it runs the temporary control plane",
    });
  }
  if (kubelet.staticPods === null) {
    throw new MendError("kubelet-not-found", "the kubelet of this machine looks for no static pods", {
      hint: `set staticPodPath: ${podManifestPath} in its configuration, and start it again`,
    });
  }
  if (kubelet.staticPods !== undefined && !machine.isSameDirectory(kubelet.staticPods, podManifestPath)) {
    throw new MendError(
      "kubelet-not-found",
      `the kubelet looks for static pods in "${kubelet.staticPods}", not in "${podManifestPath}"`,
      {
        hint: `pass ${input("podManifestPath")}=${kubelet.staticPods}`,
      },
    );
  }
  return kubelet;
}

function defaultRequirements(plan: StartPlan): RequiredPod[] {
  const components = plan.pods.flatMap(({ component, pod }) =>
    component === undefined ? [] : [{ namespace: pod.metadata.namespace ?? "kube-system", prefix: component }],
  );
  const checkpointer = plan.objects.find(
    ({ object }) => object.kind === "DaemonSet" && object.metadata.name === "pod-checkpointer",
  );
  if (checkpointer === undefined) return components;
  return [
    ...components,
    { namespace: checkpointer.object.metadata.namespace ?? "default", prefix: "pod-checkpointer" },
  ];
}
