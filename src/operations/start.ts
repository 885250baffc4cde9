/**
 * Starts a cluster from an asset dir, new or recovered: a temporary control plane on this machine, from files alone, creates the permanent one, waits
 * until that can take over, makes way for it, and stays to see that it does its work.
 */
import { setTimeout as sleep } from "node:timers/promises";
import {
  afterHandOver,
  beforeHandOver,
  isBackingOff,
  type Observation,
  podsOf,
  type RequiredPod,
  replacedNodes,
  stillThere,
  type TemporaryPod,
} from "../bootstrap/pivot.ts";
import { type BootstrapManifest, planStart, type StartPlan } from "../bootstrap/start-plan.ts";
import { objectOf, objectsOf, textOf } from "../controlplane/fields.ts";
import { MendError } from "../errors.ts";
import { readAssetFiles } from "../io/asset-files.ts";
import {
  type BootstrapPlaces,
  checkPlaces,
  findLeftover,
  placeFiles,
  removeManifests,
  removeSecrets,
} from "../io/bootstrap-files.ts";
import { ApiError, ClusterApi, isConnectionError } from "../io/cluster-api.ts";
import { readKubeconfig } from "../io/kubeconfig.ts";
import {
  findKubelet,
  isSameDirectory,
  listenerOf,
  runningContainers,
  staticPodContainers,
  staticPodLog,
} from "../io/local-node.ts";
import {
  bringEtcdBack,
  type EtcdOutcome,
  type EtcdReturn,
  etcdOutcome,
  etcdOutOfReach,
  etcdTrouble,
  prepareEtcd,
} from "./bring-etcd-back.ts";
import {
  deletePod,
  labelNode,
  nodeRoleLabels,
  raiseScaledAway,
  releaseReplaced,
  releaseStranded,
  removeTurnedAway,
  tellLostNodes,
} from "./clear-the-way.ts";
import { ClusterView } from "./cluster-view.ts";
import { type Creation, createManifests } from "./create-manifests.ts";

export interface StartOptions {
  readonly assetDir: string;
  readonly podManifestPath: string;
  /** `/etc/kubernetes/bootstrap-secrets`, where the assets' pods look for them. */
  readonly secretsDir: string;
  /** Undefined: the components that the assets bring up, and the checkpointer if it is among the manifests. */
  readonly requiredPods: readonly RequiredPod[] | undefined;
  readonly strict: boolean;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly now: () => number;
  readonly tell: (text: string) => void;
}

export interface StartResult extends Creation {
  readonly node: string;
  /** Where etcd was brought back, too: where it is from now on. */
  readonly etcd: EtcdOutcome | undefined;
}

const POLL_MS = 200;
const TICK_MS = 1000;
const REPEAT_MS = 15_000;
/** After this without a renewed lease a node is taken for lost: more than the 40 s that the controller manager gives it. */
const SIGN_OF_LIFE_MS = 60_000;
/** How long an API server may refuse a credential before it is taken for another cluster's. */
const REFUSAL_MS = 10_000;
/** How long an API server that has started gets to become ready. */
const YOUNG_MS = 30_000;
/** After this an API server that was there before us counts as lost. */
const LOST_MS = 30_000;
/** A kubelet renews its lease every 10 s. */
const RENEWAL_MS = 15_000;
const LEASE_HOLDERS = ["kube-controller-manager", "kube-scheduler"];

export async function startControlPlane(options: StartOptions): Promise<StartResult> {
  const start = await prepare(options);
  try {
    if (start.etcd !== undefined) await bringEtcdBack(start.etcd, options);
    await placeFiles(start.places, start.plan.secrets, start.pods);
    options.tell(`temporary control plane: ${start.pods.map(({ pod }) => pod.metadata.name).join(", ")}`);
    await waitForApiServer(start);
    const creation = await createManifests(start.api, start.plan.objects, options);
    options.tell(`created ${creation.created} objects, ${creation.existed} were there already`);
    const view = new ClusterView(start.api, start.node, start.ended.signal);
    await waitUntilReadyToGo(start, view);
    options.tell("handing over to the permanent control plane");
    await removeManifests(start.places);
    await waitUntilTakenOver(start, view);
    await removeTurnedAway(start, view);
    tellLostNodes(start, view);
    const etcd = start.etcd === undefined ? undefined : etcdOutcome(start.etcd);
    return { ...creation, node: start.node, etcd };
  } finally {
    start.ended.abort();
    start.api.close();
    await tearDown(start);
  }
}

/** What a start works with, once everything was checked that can be checked without touching anything. */
interface Start {
  readonly options: StartOptions;
  readonly plan: StartPlan;
  /** The temporary pods that are needed: not the API server's where one answers already. */
  readonly pods: readonly BootstrapManifest[];
  readonly places: BootstrapPlaces;
  readonly api: ClusterApi;
  readonly node: string;
  /** Where etcd is to come back, too. */
  readonly etcd: EtcdReturn | undefined;
  readonly required: readonly RequiredPod[];
  readonly deadline: number;
  /** Ends the watches. */
  readonly ended: AbortController;
}

async function prepare(options: StartOptions): Promise<Start> {
  const { assetDir, podManifestPath, secretsDir } = options;
  const plan = planStart(readAssetFiles(assetDir), new Date(options.now()));
  const node = checkKubelet(podManifestPath);
  const etcd = plan.etcd === undefined ? undefined : await prepareEtcd(plan.etcd, podManifestPath);
  const places = { secretsDir, podManifestPath };
  const leftover = await findLeftover(places);
  await checkPlaces(places, plan.pods);
  const api = new ClusterApi(readKubeconfig(`${assetDir}/auth/kubeconfig`));
  const oursRuns = ownApiServerRuns(plan, node, leftover?.manifests ?? []);
  if (leftover !== undefined) options.tell("an earlier start was not ended: going on with it");
  const answers = !oursRuns && (await hasApiServer(api, plan.pods, options));
  if (answers) options.tell(`an API server answers at ${api.access.server.host} already: no temporary one is needed`);
  if (answers && etcd !== undefined && !etcd.state.isRestored) {
    throw new MendError(
      "already-exists",
      `these assets restore etcd, but an API server answers at ${api.access.server.host}, so etcd is not lost`,
      {
        hint: "recover from that API server, with --kubeconfig alone",
      },
    );
  }
  const pods = plan.pods.filter((each) => !answers || each.component !== "kube-apiserver");
  return {
    options,
    plan,
    pods,
    places,
    api,
    node,
    etcd,
    required: options.requiredPods ?? defaultRequirements(plan),
    deadline: options.now() + options.timeoutMs,
    ended: new AbortController(),
  };
}

/** Returns the node's name. */
function checkKubelet(podManifestPath: string): string {
  const kubelet = findKubelet();
  if (kubelet === undefined) {
    throw new MendError("kubelet-not-found", "no kubelet runs on this machine", {
      hint: "start it first, such as with systemctl start kubelet: it runs the temporary control plane",
    });
  }
  if (kubelet.staticPods !== undefined && !isSameDirectory(kubelet.staticPods, podManifestPath)) {
    throw new MendError(
      "kubelet-not-found",
      `the kubelet looks for static pods in "${kubelet.staticPods}", not in "${podManifestPath}"`,
      {
        hint: `pass --pod-manifest-path=${kubelet.staticPods}`,
      },
    );
  }
  return kubelet.nodeName;
}

/**
 * Whether a temporary API server of ours runs. A kubelet that has never reached an API server keeps the pods whose manifests were taken away, so
 * one may outlive its start by any time. With its manifest back it is the kubelet's again.
 */
function ownApiServerRuns(plan: StartPlan, node: string, leftover: readonly string[]): boolean {
  const own = plan.pods.filter(({ component }) => component === "kube-apiserver");
  if (own.some(({ fileName }) => leftover.some((path) => path.endsWith(`/${fileName}`)))) return true;
  const running = runningContainers();
  return temporaryPods(own, node).some(({ containers }) => containers.some((id) => running.has(id)));
}

/**
 * Whether this cluster's API server answers already. One that is on its way up, from an earlier start, gets some time. Throws `port-taken` where
 * another program has the port of the temporary one.
 */
async function hasApiServer(
  api: ClusterApi,
  pods: readonly BootstrapManifest[],
  options: StartOptions,
): Promise<boolean> {
  const giveUp = options.now() + YOUNG_MS;
  for (;;) {
    const state = await apiServerState(api, options.signal);
    if (state === "ready") return true;
    const taken = pods.find(({ port }) => port !== undefined && listenerOf(port) !== undefined);
    if (taken === undefined) return false;
    if (state === "unreachable" || options.now() > giveUp) {
      throw new MendError(
        "port-taken",
        `port ${taken.port}, which "${taken.pod.metadata.name}" needs, is taken by "${listenerOf(taken.port!) ?? "a program that has just ended"}"`,
        { hint: "stop that program; if it is this cluster's API server, see why it does not become ready" },
      );
    }
    await sleep(POLL_MS, undefined, { signal: options.signal });
  }
}

/** Throws where what answers is not this cluster's. */
async function apiServerState(api: ClusterApi, signal: AbortSignal): Promise<"ready" | "young" | "unreachable"> {
  try {
    await api.request("GET", "/readyz", undefined, { signal });
    await api.get("/api/v1/namespaces/kube-system", signal);
    return "ready";
  } catch (error) {
    if (error instanceof ApiError && error.status >= 500) return "young";
    if (isConnectionError(error)) return "unreachable";
    throw error;
  }
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

async function waitForApiServer(start: Start): Promise<void> {
  const { options, api } = start;
  const waiting = waitingLine(start);
  const began = options.now();
  let trouble = "";
  let lookedAt = began;
  let last: unknown;
  for (;;) {
    try {
      if ((await apiServerState(api, options.signal)) === "ready") break;
      last = undefined;
    } catch (error) {
      options.signal.throwIfAborted();
      const mayBeYoung = error instanceof ApiError && options.now() - began < REFUSAL_MS;
      if (!mayBeYoung) throw error;
      last = error;
    }
    if (options.now() - lookedAt >= REPEAT_MS) {
      lookedAt = options.now();
      trouble = (start.etcd && etcdTrouble(start.etcd, start.node)) || apiServerTrouble(start);
    }
    const refusal = last instanceof Error ? `: ${last.message}` : "";
    waiting([`the API server to be ready${refusal}${trouble}`]);
    await sleep(POLL_MS, undefined, { signal: options.signal });
  }
  options.tell("the API server is ready");
}

/** What the temporary API server's log says, or that there is none. */
function apiServerTrouble({ pods, node }: Start): string {
  const own = pods.find(({ component }) => component === "kube-apiserver");
  if (own === undefined) return "";
  const { name, namespace } = own.pod.metadata;
  const log = staticPodLog(namespace ?? "default", name, node, 3);
  if (log !== undefined) return `; it says last: ${log.join(" / ")}`;
  const images = objectsOf(objectOf(own.pod.spec).containers).map(({ image }) => `"${textOf(image)}"`);
  return `; it has not started: is the image ${images.join(", ")} on this node, or can it be pulled?`;
}

async function waitUntilReadyToGo(start: Start, view: ClusterView): Promise<void> {
  const { options, required } = start;
  const began = options.now();
  const holder = start.pods.find(({ component }) => component === "kube-apiserver")?.component;
  let labels: ReadonlyMap<string, string> | undefined;
  await waitUntil(start, view, async (look) => {
    labels ??= await nodeRoleLabels(start);
    await labelNode(start, look, labels);
    await raiseScaledAway(start, look);
    if (options.now() - began > SIGN_OF_LIFE_MS) await releaseStranded(start, look);
    const replaced = replacedNodes(look);
    const isSure = options.now() - began > RENEWAL_MS;
    if (isSure) await releaseReplaced(start, look, replaced);
    const waiting = [
      ...beforeHandOver(required, look, holder),
      ...(isSure
        ? []
        : replaced.map((name) => `node "${name}", which had this machine's address, to give a sign of life`)),
    ];
    if (waiting.length === 0 && start.etcd !== undefined) waiting.push(...(await etcdOutOfReach(start.etcd)));
    if (waiting.length > 0 || holder === undefined) return waiting;
    return refreshApiServerPods(start, look, holder);
  });
}

/** The API server's own pod has crashed while its port was taken: with a new one the kubelet does not wait for minutes before it tries again. */
async function refreshApiServerPods(start: Start, look: Observation, component: string): Promise<string[]> {
  const required = start.required.filter(({ prefix }) => prefix === component);
  const tired = required
    .flatMap((each) => podsOf(each, look))
    .filter((pod) => textOf(objectOf(pod.spec).nodeName) === start.node && isBackingOff(pod));
  for (const pod of tired) await deletePod(start, pod);
  return tired.map((pod) => `pod "${pod.metadata.name}" to be replaced by one that has not failed`);
}

async function waitUntilTakenOver(start: Start, view: ClusterView): Promise<void> {
  const components = LEASE_HOLDERS.filter((name) => start.required.some(({ prefix }) => prefix === name));
  let gone = false;
  await waitUntil(start, view, async (look) => {
    const temporary = temporaryPods(start.pods, start.node);
    if (!gone && stillThere(temporary, look).length === 0) {
      gone = true;
      view.forgetLeases();
      return ["the permanent control plane's leases"];
    }
    return afterHandOver(start.required, look, temporary, view.renewedLeases, components);
  });
}

function temporaryPods(pods: readonly BootstrapManifest[], node: string): TemporaryPod[] {
  return pods.map(({ pod }) => {
    const namespace = pod.metadata.namespace ?? "default";
    const name = `${pod.metadata.name}-${node}`;
    return { namespace, name, containers: staticPodContainers(namespace, name) };
  });
}

/** Judges every change, and every second, until nothing is in the way. */
async function waitUntil(
  start: Start,
  view: ClusterView,
  judge: (look: Observation) => Promise<string[]>,
): Promise<void> {
  const waiting = waitingLine(start);
  let unreachableSince: number | undefined;
  for (;;) {
    const look = view.look();
    if (!view.live.reachable) unreachableSince ??= start.options.now();
    else unreachableSince = undefined;
    if (
      unreachableSince !== undefined &&
      start.options.now() - unreachableSince > LOST_MS &&
      start.pods.length < start.plan.pods.length
    ) {
      throw new MendError("api-unreachable", "the API server that answered at first does so no longer", {
        hint: "start again: it will bring up a temporary one",
      });
    }
    const inTheWay =
      look === undefined
        ? ["the cluster's objects"]
        : unreachableSince !== undefined
          ? ["the API server to answer"]
          : await judgeCalmly(judge, look);
    if (inTheWay.length === 0) return;
    waiting(inTheWay);
    await view.live.changed(TICK_MS, start.options.signal);
  }
}

/** An API server that goes away in the middle of a chore is waited for like anything else. */
async function judgeCalmly(judge: (look: Observation) => Promise<string[]>, look: Observation): Promise<string[]> {
  try {
    return await judge(look);
  } catch (error) {
    if (isConnectionError(error) || error instanceof ApiError) return [(error as MendError).message];
    throw error;
  }
}

/** Tells what is waited for when it comes up, and all of it again now and then; throws `timeout` when the time is up. */
function waitingLine({ options, deadline }: Start): (waiting: readonly string[]) => void {
  let told: readonly string[] = [];
  let at = 0;
  return (waiting) => {
    const now = options.now();
    if (now > deadline) {
      throw new MendError(
        "timeout",
        `the control plane did not come up in ${Math.round(options.timeoutMs / 1000)} s; waiting for:\n  ${waiting.join("\n  ")}`,
        { hint: "mend what is in the way and start again, or pass a longer --timeout" },
      );
    }
    const isDue = now - at >= REPEAT_MS;
    const news = isDue ? waiting : waiting.filter((each) => !told.includes(each));
    told = waiting;
    if (news.length === 0) return;
    if (isDue) at = now;
    for (const each of news) options.tell(`waiting for ${each}`);
  };
}

/** Always, also after an error and after Ctrl-C; changes nothing when it has been done. */
async function tearDown({ places, options }: Start): Promise<void> {
  try {
    const changed = await removeManifests(places);
    for (const path of changed) options.tell(`warning: "${path}" was changed by somebody, and stays`);
    await removeSecrets(places);
  } catch (error) {
    if (!(error instanceof MendError)) throw error; // and another error must not be lost over this one
    options.tell(`warning: the temporary control plane is not taken away: ${error.message}`);
  }
}
