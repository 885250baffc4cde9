/** The pod that stands in for a lost component: made of the first template that works, and waited for until it leads. */

import { invariant } from "../../errors/errors.ts";
import { ApiError } from "../../io/api-server/cluster-api.ts";
import { isHeldAt } from "../../kube/lease.ts";
import { nodeOf } from "../../kube/mirror-pod.ts";
import type { KubeObject } from "../../kube/object.ts";
import { type PodFault, podState, podTitle, refusedFault } from "../../rescue/pod-state.ts";
import { isRescuePodOf } from "../../rescue/rescue-mark.ts";
import { type RescueTemplate, worksByLease } from "../../rescue/target.ts";
import { planRescuePod } from "./plan-rescue-pod.ts";
import { FINAL_AFTER_MS, type RescueCase, Since, STEADY_MS, type StandIn } from "./rescue-case.ts";
import type { StepResult } from "./rescue-session.ts";
import type { RescueLook } from "./rescue-view.ts";

/** A rescue pod that runs gets so long for its first lease: 15 s until the last one's has run out, and some to start. */
export const LEAD_WITHIN_MS = 60_000;

/** What does not do its work has little to put in order. */
const IDLE_GRACE_SECONDS = 2;

/** The rescue pod of an earlier run, or one that was made by hand. One that is of no use any more is taken away first. */
export function earlierStandIn(rescue: RescueCase): Promise<KubeObject | undefined> {
  const { session, wishes } = rescue;
  const { component, name, namespace } = rescue.target;
  return session.until(async (look): Promise<StepResult<KubeObject | undefined>> => {
    const pod = look.pods.find((each) => each.metadata.namespace === namespace && isRescuePodOf(component, name, each));
    if (pod === undefined) return { done: undefined };
    const waitingFor = `${podTitle(pod)} of an earlier rescue to end`;
    if (pod.metadata.deletionTimestamp !== undefined) return { waitingFor };
    const state = podState(component, pod);
    const isElsewhere = wishes.node !== undefined && nodeOf(pod) !== wishes.node;
    const isAlive = rescue.isOnReadyNode(pod, look);
    const isComing = isAlive && (state.is === "running" || (state.is === "bound" && state.fault === undefined));
    if (isComing && !isElsewhere) return { done: pod };
    await session.removePod(pod, { graceSeconds: isAlive && state.is === "running" ? undefined : 0 });
    return { waitingFor };
  });
}

/** The rescue pod of an earlier run, once it leads; or why it does not, and then it is gone. */
export async function goOnWith(rescue: RescueCase, earlier: StandIn): Promise<StandIn | PodFault> {
  const { pod } = earlier;
  rescue.session.report(`${podTitle(pod)} is there from an earlier rescue: continuing with it`);
  rescue.session.adoptPod(pod);
  const fault = await untilItLeads(rescue, pod);
  if (fault === undefined) return earlier;
  await discard(rescue, pod, fault);
  return fault;
}

/** A rescue pod of the template of that number that leads; or why it does not, and then it is gone again. */
export async function makeStandIn(rescue: RescueCase, number: number): Promise<StandIn | PodFault> {
  const { target } = rescue;
  const template = target.templates[number];
  invariant(template !== undefined, "a rescue pod has a template");
  const made = await makeOf(rescue, template);
  if (!("pod" in made) && number === 0 && target.kind !== "StaticPod" && target.kind !== "Gone") {
    rescue.currentFailure = { kind: made.kind, text: `${template.title} does not work: ${made.text}` };
  }
  return made;
}

async function makeOf(rescue: RescueCase, template: RescueTemplate): Promise<StandIn | PodFault> {
  const made = await create(rescue, template);
  if (!("metadata" in made)) return made;
  const fault = await untilItLeads(rescue, made);
  if (fault === undefined) return { pod: made, template: template.title };
  await discard(rescue, made, fault);
  return fault;
}

async function create(rescue: RescueCase, template: RescueTemplate): Promise<KubeObject | PodFault> {
  const { session, target, wishes } = rescue;
  const look = await session.until((seen) => ({ done: seen }));
  const { pod: planned, notes, refusal } = await planRescuePod(session.api, target, template, wishes, look);
  for (const note of notes) session.report(note);
  if (refusal !== undefined) return refusal;
  await endIdlePods(rescue, look);
  rescue.lease.forget();
  rescue.rescueHolder = undefined;
  try {
    const pod = await session.makePod(planned);
    rescue.clock = { created: Date.parse(pod.metadata.creationTimestamp ?? ""), at: session.options.now() };
    session.report(`created ${podTitle(pod)} on node "${nodeOf(pod)}" from ${template.title}`);
    return pod;
  } catch (error) {
    // Servers too old for a dry run refuse it only here.
    if (!(error instanceof ApiError)) throw error;
    return refusedFault(`${podTitle(planned)} cannot be created`, error.message);
  }
}

/**
 * A permanent pod that runs and does nothing holds the port that the rescue pod needs, and as long as it runs no other
 * one is made in its place, wherever it is. A static pod is its kubelet's alone, and what nobody makes again is not
 * deleted.
 */
async function endIdlePods(rescue: RescueCase, look: RescueLook): Promise<void> {
  const { session, target, idle } = rescue;
  // Without a lease nothing proves that a pod does not work.
  if (target.kind === "StaticPod" || target.kind === "Gone" || !worksByLease(target)) return;
  const idlePods = rescue.running(look).filter(({ pod }) => idle.has(pod.metadata.uid ?? ""));
  for (const { pod } of idlePods) {
    session.report(`${podTitle(pod)} runs and does not renew its lease: deleting it`);
    await session.removePod(pod, { graceSeconds: IDLE_GRACE_SECONDS });
  }
  for (const { pod } of idlePods) await session.until((seen) => rescue.isGone(seen, pod));
}

async function discard(rescue: RescueCase, pod: KubeObject, fault: PodFault): Promise<void> {
  rescue.session.report(`${podTitle(pod)} is of no use: ${fault.text}`);
  // The kubelet takes most of a minute to report the end of a pod that crashes or was never started.
  const look = await rescue.session.until((seen) => ({ done: seen }));
  const isRunning = fault.kind === "no-lease" && rescue.isOnReadyNode(pod, look);
  await rescue.session.removePod(pod, { graceSeconds: isRunning ? undefined : 0 });
  await rescue.session.until((look) => rescue.isGone(look, pod));
}

/** Until the lease is renewed while the rescue pod runs; or why the pod cannot lead. */
function untilItLeads(rescue: RescueCase, made: KubeObject): Promise<PodFault | undefined> {
  const { session, lease } = rescue;
  const { component } = rescue.target;
  const byLease = worksByLease(rescue.target);
  const { now } = session.options;
  const since = new Since(now);
  const ready = new Since(now);
  let runningSince: number | undefined;
  return session.until(async (look): Promise<StepResult<PodFault | undefined>> => {
    const pod = look.pods.find(({ metadata }) => metadata.uid === made.metadata.uid);
    if (pod === undefined) {
      // The watch may not have reported it yet.
      if (!since.isFor("gone", FINAL_AFTER_MS)) return { waitingFor: `${podTitle(made)} to be started` };
      return { done: { kind: "no-pod", text: `${podTitle(made)} was deleted by somebody else` } };
    }
    const state = podState(component, pod);
    if (!lease.isRenewed) await freeDeadLease(rescue, look);
    if (state.is === "running") {
      const leads = byLease ? lease.isRenewed : ready.isFor(String(state.ready && state.crash?.id), STEADY_MS);
      if (leads && (byLease || state.ready)) return { done: noteLeader(rescue, look, pod) };
      runningSince ??= now();
      if (now() - runningSince > LEAD_WITHIN_MS) return { done: await rescue.withoutLease(pod) };
      return { waitingFor: `${podTitle(pod)} to ${byLease ? "hold the lease" : "be ready"}` };
    }
    const fault = state.is === "crashed" ? rescue.crashOf(pod, state.crash) : state.fault;
    if (fault === undefined) return { waitingFor: `${podTitle(pod)} to be started` };
    const isFinal = fault.kind === "bad-flag" || fault.kind === "rejected";
    if (isFinal || since.isFor(fault.kind, FINAL_AFTER_MS)) return { done: fault };
    return { waitingFor: `${podTitle(pod)} to be started: ${fault.text}` };
  });
}

/** Who renews the lease is the rescue pod where nothing else of the component runs. */
function noteLeader(rescue: RescueCase, look: RescueLook, pod: KubeObject): undefined {
  const holder = rescue.lease.lease?.holder;
  const others = rescue.permanent(look).filter(({ state }) => state.is === "running");
  if (others.length === 0) rescue.rescueHolder = holder;
  rescue.session.report(
    `${podTitle(pod)} ${worksByLease(rescue.target) ? `runs, and "${holder}" renews the lease` : "is ready"}`,
  );
}

/**
 * The lease of a holder that is gone would keep a candidate waiting for 15 s after it has started. It is given up in
 * the holder's name once it has run out, by the API server's clock, and no pod of the component runs.
 */
async function freeDeadLease(rescue: RescueCase, look: RescueLook): Promise<void> {
  const { lease } = rescue.lease;
  if (lease === undefined || lease.holder === "" || !worksByLease(rescue.target) || rescue.clock === undefined) return;
  if (rescue.permanent(look).some(({ state }) => state.is === "running")) return;
  const { created, at } = rescue.clock;
  const now = created + rescue.session.options.now() - at; // at least
  if (!Number.isNaN(now) && !isHeldAt(lease, now)) await rescue.release(lease.holder);
}
