/**
 * The permanent component takes over from its rescue pod: until one of its pods is started, the hand-over, and until it
 * renews its lease.
 */
import { defined } from "../../errors/defined.ts";
import { LEASE_HOLDERS, type LeaseHolderName } from "../../kube/lease.ts";
import { nodeOf } from "../../kube/mirror-pod.ts";
import type { KubeObject } from "../../kube/object.ts";
import { LeaseTrack } from "../../rescue/lease-track.ts";
import { judgeReadiness, type Readiness, type SeenPod } from "../../rescue/permanent.ts";
import { type PodFault, podState, podTitle } from "../../rescue/pod-state.ts";
import { worksByLease } from "../../rescue/target.ts";
import { haveTriedAgain, readCreationFault, readMissingHelper, readStartFault } from "./creation-fault.ts";
import { FINAL_AFTER_MS, type RescueCase, Since, STEADY_MS, type StandIn } from "./rescue-case.ts";
import { type StepResult, TimeIsUp } from "./rescue-session.ts";
import type { RescueLook } from "./rescue-view.ts";

/** A permanent pod that the kubelet tries again after its crash over the port: the kubelet's back-off, then a lease. */
const TAKE_OVER_WITHIN_MS = 90_000;
/** The kubelet waits up to 5 minutes before it tries a static pod again that crashed often. */
const STATIC_TAKE_OVER_WITHIN_MS = 360_000;
/** From here on the kubelet's back-off is longer than making the pod again. */
const TIRED_AFTER_RESTARTS = 2;
/** How often the API server is asked why nothing happens. */
const ASK_EVERY_MS = 2000;

/** Until a permanent pod is started, which is undefined; or what keeps it from that. */
export function untilStarted(rescue: RescueCase, standIn: StandIn): Promise<PodFault | undefined> {
  const { session, target } = rescue;
  const since = new Since(session.options.now);
  const replaced = new Set<string>();
  const stalled = askNowAndThen(rescue);
  return session.until(async (look): Promise<StepResult<PodFault | undefined>> => {
    const readiness = judge(rescue, look, standIn.pod);
    if (readiness.can === "take-over") {
      // Where a rescue pod of the same template did not work on that node, this one will not.
      if (rescue.currentFailure !== undefined && nodeOf(readiness.pod) === nodeOf(standIn.pod)) {
        return { done: rescue.currentFailure };
      }
      if (await refreshTired(rescue, look, replaced)) return { waitingFor: "a pod that has not crashed yet" };
      return { done: undefined };
    }
    if (readiness.can === "not-yet") {
      const fault = await stalled(look);
      if (fault === undefined) return { waitingFor: readiness.waitingFor };
      if (since.isFor(fault.text, FINAL_AFTER_MS)) return { done: fault };
      return { waitingFor: `the permanent ${target.component}: ${fault.text}` };
    }
    const { fault } = readiness;
    if (!since.isFor(fault.kind, FINAL_AFTER_MS)) {
      return { waitingFor: `the permanent ${target.component}: ${fault.text}` };
    }
    if (fault.kind === "node-lost" && (await replaceLost(rescue, look, replaced))) {
      return { waitingFor: "a pod on another node" };
    }
    // It may well have been the port: the hand-over will show it, and can be taken back.
    if (fault.kind === "unexplained" && rescue.currentFailure === undefined) return { done: undefined };
    return { done: fault.kind === "unexplained" ? defined(rescue.currentFailure) : fault };
  });
}

function judge(rescue: RescueCase, look: RescueLook, rescuePod: KubeObject, seen = rescue.permanent(look)): Readiness {
  return judgeReadiness(seen, rescue.target, nodeOf(rescuePod), (pod, crash) => rescue.crashOf(pod, crash));
}

/**
 * A pod that has crashed often over the port would be tried again in minutes only: a new one is tried at once. Returns
 * whether there is one.
 */
async function refreshTired(rescue: RescueCase, look: RescueLook, replaced: Set<string>): Promise<boolean> {
  if (rescue.target.kind === "StaticPod" || rescue.target.kind === "Gone") return false;
  const tired = rescue
    .permanent(look)
    .filter(({ state }) => state.is === "crashed" && state.crash.restarts >= TIRED_AFTER_RESTARTS);
  for (const { pod } of tired) {
    const uid = pod.metadata.uid ?? "";
    if (replaced.has(uid)) continue;
    replaced.add(uid);
    rescue.session.report(`${podTitle(pod)} has crashed often over the port: having it recreated`);
    await rescue.session.removePod(pod, { graceSeconds: 0 });
  }
  return tired.length > 0;
}

/**
 * The pod of a node that is lost counts as one of its ReplicaSet's until it is evicted, after five minutes or never.
 * Deleted, though only its kubelet can end it, another is made at once; the lease keeps the two from working both.
 * Returns whether there was any.
 */
async function replaceLost(rescue: RescueCase, look: RescueLook, replaced: Set<string>): Promise<boolean> {
  if (rescue.target.kind !== "Deployment" && rescue.target.kind !== "ReplicaSet") return false;
  const lost = rescue.permanent(look).filter(({ alive, state }) => !alive && state.is !== "gone");
  const isNew = ({ pod }: SeenPod) => !replaced.has(pod.metadata.uid ?? "");
  for (const { pod } of lost.filter(isNew)) {
    replaced.add(pod.metadata.uid ?? "");
    rescue.session.report(`node "${nodeOf(pod)}" is not Ready: deleting ${podTitle(pod)}, so that another is made`);
    await rescue.session.removePod(pod);
  }
  return lost.length > 0;
}

/** Why no pod is made, none bound to a node, or none started; asked for now and then. */
function askNowAndThen(rescue: RescueCase): (look: RescueLook) => Promise<PodFault | undefined> {
  const { now, signal } = rescue.session.options;
  const { api } = rescue.session;
  const helpers = new Map<LeaseHolderName, LeaseTrack>(LEASE_HOLDERS.map((name) => [name, new LeaseTrack()]));
  let askedAt = 0;
  let isTriedAgain = false;
  let fault: PodFault | undefined;
  return async (look) => {
    if (now() - askedAt < ASK_EVERY_MS) return fault;
    askedAt = now();
    const alive = rescue.permanent(look).filter(({ state }) => state.is !== "gone");
    const bound = alive.find(({ state }) => state.is !== "unscheduled");
    if (bound !== undefined) {
      fault = bound.state.is === "bound" ? await readStartFault(api, bound.pod, signal) : undefined;
    } else {
      const isUnmade = alive.length === 0;
      const helper = isUnmade ? "kube-controller-manager" : "kube-scheduler";
      const creation = isUnmade ? await readCreationFault(api, rescue.target, signal) : undefined;
      if (creation !== undefined && !isTriedAgain) {
        isTriedAgain = true;
        await haveTriedAgain(api, creation.owner, signal);
        return undefined; // what it says now is seen next time
      }
      fault = creation?.fault;
      if (fault === undefined && !rescue.wishes.together.includes(helper)) {
        fault = await readMissingHelper(api, helper, defined(helpers.get(helper)), look.pods, now(), signal);
      }
    }
    return fault;
  };
}

/** Takes the rescue pod away, and waits until the permanent one has its lease and renews it. Returns what goes wrong. */
export async function handOver(rescue: RescueCase, { pod: rescuePod }: StandIn): Promise<PodFault | undefined> {
  const { session, target, lease: track } = rescue;
  const { component, kind } = target;
  const byLease = worksByLease(target);
  const { now } = session.options;
  session.report(`the permanent ${component} is started: removing ${podTitle(rescuePod)}`);
  await session.removePod(rescuePod);
  const ended = rescue.rescueHolder;
  track.forget();
  const began = now();
  const within = kind === "StaticPod" ? STATIC_TAKE_OVER_WITHIN_MS : TAKE_OVER_WITHIN_MS;
  const since = new Since(now);
  const ready = new Since(now);
  let crashesBefore: Set<string> | undefined;
  return session.until(async (look): Promise<StepResult<PodFault | undefined>> => {
    if (!hasEnded(rescue, look, rescuePod)) return { waitingFor: `${podTitle(rescuePod)} to end` };
    if (crashesBefore === undefined) {
      crashesBefore = new Set(rescue.permanent(look).flatMap(crashId));
      track.forget(); // until now it may have been the rescue pod that renewed it
    }
    if (ended !== undefined && track.lease?.holder === ended) await rescue.release(ended);
    const running = rescue.running(look);
    const leads = byLease ? track.isRenewed && track.lease?.holder !== ended : isSteady(running, ready);
    if (leads && running.length > 0) {
      const why = byLease ? `"${track.lease?.holder ?? ""}" renews its lease` : "its pod is ready";
      session.report(`the permanent ${component} does its work: ${why}`);
      return { done: undefined };
    }
    const waitingFor = `the permanent ${component} to ${byLease ? "hold its lease" : "be ready"}`;
    // What crashed while the rescue pod had the port proves nothing.
    const seen = rescue.permanent(look).filter((each) => !crashId(each).some((id) => crashesBefore?.has(id)));
    const readiness = seen.length === 0 ? undefined : judge(rescue, look, rescuePod, seen);
    if (readiness?.can === "not") {
      if (since.isFor(readiness.fault.kind, FINAL_AFTER_MS)) return { done: readiness.fault };
      return { waitingFor: `${waitingFor}: ${readiness.fault.text}` };
    }
    if (now() - began <= within) return { waitingFor };
    if (running[0] !== undefined) return { done: await rescue.withoutLease(running[0].pod) };
    return { done: { kind: "no-lease", text: `the permanent ${component} does not take its lease` } };
  });
}

/** A leader renews every 2 s, and one that has just started first waits until the last lease has run out. */
const LEADS_WITHIN_MS = 25_000;

/** Whether a permanent pod that runs does its work, given the time that it takes to be seen. At once false where none is there. */
export async function leadsAfterAll(rescue: RescueCase): Promise<boolean> {
  const { session, target, lease: track } = rescue;
  const { now } = session.options;
  const byLease = worksByLease(target);
  const ready = new Since(now);
  const began = now();
  session.allow(LEADS_WITHIN_MS + STEADY_MS);
  track.forget();
  let isReported = false;
  try {
    return await session.until((look): StepResult<boolean> => {
      const alive = rescue.permanent(look).filter(({ state, alive }) => alive && state.is !== "gone");
      const running = rescue.running(look);
      if (alive.length === 0) return { done: false };
      if (!isReported) session.report(`watching whether the permanent ${target.component} comes back by itself`);
      isReported = true;
      const leads = byLease ? track.isRenewed : isSteady(running, ready);
      if (leads && running.length > 0) return { done: true };
      if (now() - began > LEADS_WITHIN_MS) return { done: false };
      return { waitingFor: `the permanent ${target.component}, which may come back by itself` };
    });
  } catch (error) {
    if (error instanceof TimeIsUp) return false;
    throw error;
  }
}

/** Whether some pod has been ready for a while. */
function isSteady(running: readonly SeenPod[], since: Since): boolean {
  const ready = running.filter(({ state }) => state.is === "running" && state.ready);
  const which = ready.flatMap((each) => [each.pod.metadata.uid ?? "", ...crashId(each)]).join(" ");
  return since.isFor(which, STEADY_MS) && ready.length > 0;
}

/** Of its last end, where it has ended. */
function crashId({ state }: SeenPod): string[] {
  const crash = state.is === "crashed" || state.is === "running" ? state.crash : undefined;
  return crash === undefined ? [] : [crash.id];
}

/** Its container has ended, though the kubelet may still clean up behind it. */
function hasEnded({ target }: RescueCase, look: RescueLook, rescuePod: KubeObject): boolean {
  const pod = look.pods.find(({ metadata }) => metadata.uid === rescuePod.metadata.uid);
  if (pod === undefined) return true;
  const { deletionTimestamp: _, ...metadata } = pod.metadata;
  return podState(target.component, { ...pod, metadata } as KubeObject).is !== "running";
}
