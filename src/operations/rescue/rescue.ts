/**
 * Brings back a scheduler or a controller manager that is lost, while the API server is there: a pod in its place until
 * the permanent one does its work.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { defined } from "../../errors/defined.ts";
import { MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import { recordEvidence } from "../../io/audit/audit-trail.ts";
import type { LeaseHolderName } from "../../kube/lease.ts";
import type { KubeObject } from "../../kube/object.ts";
import { permanentPods } from "../../rescue/permanent.ts";
import { comparePods, isPending, type PodRow } from "../../rescue/pod-changes.ts";
import { podTitle } from "../../rescue/pod-state.ts";
import type { RescueTarget } from "../../rescue/target.ts";
import { type ClusterFlags, type OpenCluster, withCluster } from "../cluster-access/open-cluster.ts";
import { findRescueTargets } from "./find-rescue-targets.ts";
import { type PlannedPod, planRescuePod, type RescueWishes } from "./plan-rescue-pod.ts";
import { type RescueOutcome, rescueComponent } from "./rescue-component.ts";
import { RescueSession, type SessionOptions, TimeIsUp } from "./rescue-session.ts";
import { RescueView } from "./rescue-view.ts";

export type { PodRow } from "../../rescue/pod-changes.ts";
export type { RescueOutcome } from "./rescue-component.ts";

export interface RescueOptions extends SessionOptions {
  readonly cluster: ClusterFlags;
  readonly components: readonly LeaseHolderName[];
  readonly namespace: string | undefined;
  readonly node: string | undefined;
  readonly serviceAccount: string | undefined;
  /** A pod's state in few words, such as `Pending`: where it differs the pod has changed. */
  readonly summary: (pod: KubeObject) => string;
}

export interface RescueResult {
  readonly components: readonly RescueOutcome[];
  /** All pods of the cluster: changed ones first, then those that are not well. */
  readonly pods: readonly PodRow[];
}

/** How long the pods that waited for the component get to come up before they are shown. */
const SETTLE_MS = 15_000;
/** For what is taken away at the end, however the run ends. */
const CLEAN_UP_MS = 10_000;
const UNANSWERED_MS = 500;

/** Throws where the cluster cannot be asked or the component is not found; a component that cannot be brought back is an outcome. */
export function rescue(options: RescueOptions): Promise<RescueResult> {
  return withSession(options, async (session, targets, cluster, before, end) => {
    await session.view.followLeases(targets);
    const wishes = wishesOf(options, cluster);
    const components = await allOrNone(
      targets.map((target) => rescueComponent(session, target, wishes)),
      end,
    );
    const pods = components.some(({ state }) => state === "mended" || state === "rescued")
      ? await settledPods(session, targets)
      : defined(session.view.look()).pods;
    return { components, pods: comparePods(before, pods, options.summary) };
  });
}

export interface RescuePlan extends PlannedPod {
  readonly target: RescueTarget;
}

/** The rescue pods as they would be created, each tried out by the API server; nothing is changed. */
export function planRescue(options: RescueOptions): Promise<RescuePlan[]> {
  return withSession(options, async (session, targets, cluster) => {
    const wishes = wishesOf(options, cluster);
    const look = defined(session.view.look());
    return Promise.all(
      targets.map(async (target) => {
        const planned = await planRescuePod(cluster.api, target, defined(target.templates[0]), wishes, look);
        return { ...planned, target };
      }),
    );
  });
}

function wishesOf({ node, serviceAccount, components, signal }: RescueOptions, { minor }: OpenCluster): RescueWishes {
  return { node, serviceAccount, minor, together: components, signal };
}

function withSession<T>(
  options: RescueOptions,
  use: (
    session: RescueSession,
    targets: readonly RescueTarget[],
    cluster: OpenCluster,
    before: readonly KubeObject[],
    end: () => void,
  ) => Promise<T>,
): Promise<T> {
  return withCluster(options.cluster, options, async (cluster) => {
    // Ends the watches, and what continues for the other component when one fails.
    const ended = new AbortController();
    const signal = AbortSignal.any([options.signal, ended.signal]);
    const view = new RescueView(cluster.api, signal);
    const session = new RescueSession(cluster.api, view, { ...options, signal });
    try {
      const { pods } = await firstLook(session);
      const targets = await findRescueTargets(cluster.api, { ...options, signal }, pods);
      for (const { component, kind, namespace, name, templates } of targets)
        recordEvidence({
          component,
          from: kind,
          object: `${namespace}/${name}`,
          template: defined(templates[0]).title,
        });
      return await use(session, targets, cluster, pods, () => ended.abort());
    } finally {
      ended.abort();
      await cleanUp(session);
    }
  });
}

/** As `Promise.all`, but the others are ended when one fails, and have ended when this returns. */
async function allOrNone<T>(all: readonly Promise<T>[], end: () => void): Promise<T[]> {
  try {
    return await Promise.all(all);
  } catch (error) {
    end();
    await Promise.allSettled(all);
    throw error;
  }
}

async function firstLook(session: RescueSession): Promise<{ readonly pods: readonly KubeObject[] }> {
  try {
    return await session.until((look) => ({ done: look }));
  } catch (error) {
    if (!(error instanceof TimeIsUp)) throw error;
    throw new MendError("timeout", `no answer in time: still waiting for ${error.waitingFor}`, {
      hint: `see how the API server does, or pass a longer ${input("timeout")}`,
    });
  }
}

/** Once nothing waits any more that a scheduler and a controller manager could help, or after a while. */
async function settledPods(session: RescueSession, targets: readonly RescueTarget[]): Promise<readonly KubeObject[]> {
  const { now } = session.options;
  const began = now();
  session.allow(SETTLE_MS * 2);
  return session.until(({ pods }) => {
    const own = new Set(targets.flatMap((target) => permanentPods(target, pods)));
    const pending = pods.filter((pod) => isPending(pod) && !own.has(pod)).length;
    if (pending === 0 || now() - began > SETTLE_MS) return { done: pods };
    return { waitingFor: pending === 1 ? "a pending pod to run" : `${pending} pending pods to run` };
  });
}

/** After Ctrl-C and after an error: a rescue pod without a rescue is nobody's. One that was there before continues doing its work. */
async function cleanUp(session: RescueSession): Promise<void> {
  for (const pod of session.adopted) {
    session.report(`${podTitle(pod)} stays as it was found; to take it away: ${deletionOf(pod)}`);
  }
  const signal = AbortSignal.timeout(CLEAN_UP_MS);
  for (const pod of session.leftover) {
    try {
      // Asked for, and not answered before the end: it may be created any moment.
      if (pod.metadata.uid === undefined) await sleep(UNANSWERED_MS);
      if (await session.removePod(pod, { signal })) session.report(`removed ${podTitle(pod)}`);
    } catch {
      session.report(`warning: ${podTitle(pod)} is left over: ${deletionOf(pod)}`);
    }
  }
}

function deletionOf({ metadata }: KubeObject): string {
  return `kubectl -n ${metadata.namespace ?? "default"} delete pod ${metadata.name}`;
}
