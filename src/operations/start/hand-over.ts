/** The hand-over from the temporary control plane to the permanent one: until that can take over, and then until it does its work. */
import {
  afterHandOver,
  beforeHandOver,
  isBackingOff,
  type Observation,
  podsOf,
  replacedNodes,
  stillThere,
} from "../../bootstrap/pivot.ts";
import { objectOf, textOf } from "../../kube/fields.ts";
import { LEASE_HOLDERS } from "../../kube/lease.ts";
import { etcdOutOfReach } from "./bring-etcd-back.ts";
import {
  deletePod,
  labelNode,
  nodeRoleLabels,
  raiseScaledAway,
  releaseReplaced,
  releaseStranded,
} from "./clear-the-way.ts";
import type { ClusterView } from "./cluster-view.ts";
import { giveUpLeases, type HeldLeases, leasesOfTheDead } from "./give-up-leases.ts";
import { temporaryPods } from "./start-api-server.ts";
import type { Start } from "./start-state.ts";
import { waitUntil } from "./start-waiting.ts";

/** After this without a renewed lease a node is taken for lost: more than the 40 s that the controller manager gives it. */
const SIGN_OF_LIFE_MS = 60_000;
/** Who holds a component's lease renews it every 2 s. */
const SILENCE_MS = 5000;
/** A kubelet renews its lease every 10 s. */
const RENEWAL_MS = 15_000;

export async function waitUntilReadyToGo(start: Start, view: ClusterView): Promise<void> {
  const { options, required } = start;
  const began = options.now();
  const temporary: ReadonlySet<string> = new Set(start.pods.flatMap(({ component }) => component ?? []));
  let labels: ReadonlyMap<string, string> | undefined;
  let dead: HeldLeases | undefined;
  await waitUntil(start, view, async (look) => {
    if (dead === undefined && options.now() - began > SILENCE_MS) {
      dead = leasesOfTheDead(start, view);
      await giveUpLeases(start, dead);
    }
    labels ??= await nodeRoleLabels(start);
    await labelNode(start, look, labels);
    await raiseScaledAway(start, look);
    if (options.now() - began > SIGN_OF_LIFE_MS) await releaseStranded(start, look);
    const replaced = replacedNodes(look);
    const isSure = options.now() - began > RENEWAL_MS;
    if (isSure) await releaseReplaced(start, look, replaced);
    const waiting = [
      ...beforeHandOver(required, look, temporary),
      ...(isSure
        ? []
        : replaced.map((name) => `node "${name}", which had this machine's address, to give a sign of life`)),
    ];
    if (waiting.length === 0 && start.etcd !== undefined) waiting.push(...(await etcdOutOfReach(start.etcd)));
    return waiting.length > 0 ? waiting : refreshTiredPods(start, look, temporary);
  });
}

/** A pod has crashed while the temporary one had its port: with a new one the kubelet does not wait for minutes before it tries again. */
async function refreshTiredPods(start: Start, look: Observation, temporary: ReadonlySet<string>): Promise<string[]> {
  const tired = start.required
    .filter(({ prefix }) => temporary.has(prefix))
    .flatMap((each) => podsOf(each, look))
    .filter((pod) => textOf(objectOf(pod.spec).nodeName) === start.node && isBackingOff(pod));
  for (const pod of tired) await deletePod(start, pod);
  return tired.map((pod) => `pod "${pod.metadata.name}" to be replaced by one that has not failed`);
}

/** `held` are the leases that the temporary components had when their manifests were taken away. */
export async function waitUntilTakenOver(start: Start, view: ClusterView, held: HeldLeases): Promise<void> {
  const components: string[] = LEASE_HOLDERS.filter((name) => start.required.some(({ prefix }) => prefix === name));
  let gone = false;
  await waitUntil(start, view, async (look) => {
    const temporary = temporaryPods(start.pods, start.node);
    if (!gone && stillThere(temporary, look).length === 0) {
      await giveUpLeases(start, held);
      gone = true;
      view.forgetLeases();
      return ["the permanent control plane's leases"];
    }
    return afterHandOver(start.required, look, temporary, view.renewedLeases, components);
  });
}
