/** The rescue pod as it is to be created: on which node, with which service account, and whether the API server would take it. */

import { recognisePod } from "../../controlplane/sorted-objects.ts";
import { defined } from "../../errors/defined.ts";
import { ApiError, type ClusterApi } from "../../io/api-server/cluster-api.ts";
import { objectOf } from "../../kube/fields.ts";
import type { LeaseHolderName } from "../../kube/lease.ts";
import { nodeOf } from "../../kube/mirror-pod.ts";
import type { KubeObject } from "../../kube/object.ts";
import { permanentPods } from "../../rescue/permanent.ts";
import { pickNode } from "../../rescue/pick-node.ts";
import { type PodFault, podState, podTitle, refusedFault } from "../../rescue/pod-state.ts";
import { makeRescuePod, templateServiceAccount } from "../../rescue/rescue-pod.ts";
import { type RescueTarget, type RescueTemplate, worksByLease } from "../../rescue/target.ts";
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
  readonly refusal: PodFault | undefined;
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
  const accounts: readonly Account[] =
    wishes.serviceAccount === undefined
      ? await usableAccounts(api, target, own, wishes)
      : [{ name: wishes.serviceAccount, note: undefined }];
  let refusal: PodFault | undefined;
  let planned: KubeObject | undefined;
  for (const { name, note } of accounts) {
    let pod = makeRescuePod(target, template, node, name);
    let refused = await tryOut(api, pod, wishes);
    if (refused !== undefined && REQUESTS_WANTED.test(refused.text)) {
      pod = makeRescuePod(target, template, node, name, { withResources: true });
      refused = await tryOut(api, pod, wishes);
    }
    if (refused === undefined) return { pod, notes: note === undefined ? [] : [note], refusal: undefined };
    refusal ??= refused;
    planned ??= pod;
    if (!/service ?account/i.test(refused.text)) break; // another one would not help
  }
  return { pod: defined(planned), notes: [], refusal };
}

/** A quota of CPU or memory takes only pods that say how much of it they want. */
const REQUESTS_WANTED = /must specify/;

/** A service account to try, undefined for none, and what a person should know where the pod gets it. */
interface Account {
  readonly name: string | undefined;
  readonly note: string | undefined;
}

/** The component's own first, unless only the other one works; `default` is what people used before there were others. */
async function usableAccounts(
  api: ClusterApi,
  target: RescueTarget,
  own: string | undefined,
  wishes: RescueWishes,
): Promise<Account[]> {
  const other = "default";
  if (own === undefined || own === other) return [{ name: own, note: undefined }];
  const { namespace, name } = target.lease;
  const works = (account: string) => serviceAccountWorks(api, target, account, wishes.signal);
  const instead = `the rescue pod gets the service account "${other}", because "${own}" is not there`;
  if (!worksByLease(target) || (await works(own))) {
    return [
      { name: own, note: undefined },
      { name: other, note: instead },
    ];
  }
  if (await works(other)) {
    const note = `the rescue pod gets the service account "${other}", because "${own}" is not there or may not write the lease`;
    return [
      { name: other, note },
      { name: own, note: undefined },
    ];
  }
  const note =
    `neither service account "${own}" nor "${other}" may write the lease "${namespace}/${name}": ` +
    "without it the rescue pod cannot lead";
  return [
    { name: own, note },
    { name: other, note: `${instead}; neither may it write the lease` },
  ];
}

/** Undefined where the API server would take the pod. */
async function tryOut(
  api: ClusterApi,
  pod: KubeObject,
  { minor, signal }: RescueWishes,
): Promise<PodFault | undefined> {
  if (minor < FIRST_MINOR_WITH_DRY_RUN) return undefined;
  try {
    await api.create(`${collectionOf(pod)}?dryRun=All`, pod, signal);
    return undefined;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.reason === "AlreadyExists") return undefined;
    return refusedFault(`${podTitle(pod)} cannot be created`, error.message);
  }
}

function nodesOf(pods: readonly KubeObject[]): Set<string> {
  return new Set(pods.map(nodeOf).filter((name) => name !== ""));
}
