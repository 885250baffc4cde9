/** The rescue pod as it is to be created: on which node, with which service account, and whether the API server would take it. */
import { objectOf } from "../../controlplane/fields.ts";
import type { LeaseHolderName } from "../../controlplane/lease.ts";
import { nodeOf } from "../../controlplane/mirror-pod.ts";
import { recognisePod } from "../../controlplane/sorted-objects.ts";
import { ApiError, type ClusterApi } from "../../io/api-server/cluster-api.ts";
import { permanentPods } from "../../rescue/permanent.ts";
import { pickNode } from "../../rescue/pick-node.ts";
import { podState, podTitle, refusedTrouble, type Trouble } from "../../rescue/pod-state.ts";
import { makeRescuePod, templateServiceAccount } from "../../rescue/rescue-pod.ts";
import type { RescueTarget, RescueTemplate } from "../../rescue/target.ts";
import type { KubeObject } from "../../storage/object.ts";
import { serviceAccountWorks } from "./find-rescue-targets.ts";
import { collectionOf } from "./rescue-session.ts";

export interface RescueWishes {
  /** `--node`. */
  readonly node: string | undefined;
  /** `--service-account`. */
  readonly serviceAccount: string | undefined;
  /** The API server's minor version: before 1.13 it took a dry run for the real thing. */
  readonly minor: number;
  /** All components that are rescued at once. */
  readonly together: readonly LeaseHolderName[];
  readonly signal: AbortSignal;
}

export interface PlannedPod {
  readonly pod: KubeObject;
  /** What a person should know of it, a sentence each. */
  readonly notes: readonly string[];
  /** Why the API server does not take it. */
  readonly refusal: Trouble | undefined;
}

const FIRST_MINOR_WITH_DRY_RUN = 13;

export async function planRescuePod(
  api: ClusterApi,
  target: RescueTarget,
  template: RescueTemplate,
  wishes: RescueWishes,
  look: { readonly pods: readonly KubeObject[]; readonly nodes: readonly KubeObject[] },
): Promise<PlannedPod> {
  const node = pickNode(look.nodes, {
    asked: wishes.node,
    preferred: template.node,
    nodeSelector: objectOf(template.podSpec.nodeSelector),
    occupied: nodesOf(
      permanentPods(target, look.pods).filter((pod) => podState(target.component, pod).is === "running"),
    ),
    apiServerNodes: nodesOf(look.pods.filter((pod) => recognisePod(pod)?.component === "kube-apiserver")),
  });
  const own = templateServiceAccount(target.component, template);
  const accounts =
    wishes.serviceAccount === undefined ? await usableAccounts(api, target, own, wishes) : [wishes.serviceAccount];
  let refusal: Trouble | undefined;
  let planned: KubeObject | undefined;
  for (const account of accounts) {
    const pod = makeRescuePod(target, template, node, account);
    const refused = await tryOut(api, pod, wishes);
    if (refused === undefined) return { pod, notes: accountNotes(pod, own, account, wishes), refusal: undefined };
    refusal ??= refused;
    planned ??= pod;
    if (!/service ?account/i.test(refused.text)) break; // another one would not help
  }
  return { pod: planned!, notes: [], refusal };
}

/** The component's own first, unless only the other one works; `default` is what people used before there were others. */
async function usableAccounts(
  api: ClusterApi,
  target: RescueTarget,
  own: string | undefined,
  wishes: RescueWishes,
): Promise<(string | undefined)[]> {
  if (own === undefined || own === "default") return [own];
  if (await serviceAccountWorks(api, target, own, wishes.signal)) return [own, "default"];
  return (await serviceAccountWorks(api, target, "default", wishes.signal)) ? ["default", own] : [own, "default"];
}

function accountNotes(
  pod: KubeObject,
  own: string | undefined,
  used: string | undefined,
  wishes: RescueWishes,
): string[] {
  if (used === own || wishes.serviceAccount !== undefined) return [];
  return [
    `${podTitle(pod)} gets the service account "${used}", because "${own}" is not there or may not write the lease`,
  ];
}

/** Undefined where the API server would take the pod. */
async function tryOut(api: ClusterApi, pod: KubeObject, { minor, signal }: RescueWishes): Promise<Trouble | undefined> {
  if (minor < FIRST_MINOR_WITH_DRY_RUN) return undefined;
  try {
    await api.create(`${collectionOf(pod)}?dryRun=All`, pod, signal);
    return undefined;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return error.reason === "AlreadyExists" ? undefined : refusedTrouble(podTitle(pod), error.message);
  }
}

function nodesOf(pods: readonly KubeObject[]): Set<string> {
  return new Set(pods.map(nodeOf).filter((name) => name !== ""));
}
