/**
 * The rescue of one component, step by step: is it lost, a pod that stands in, the permanent one started, the
 * hand-over, and its lease renewed.
 */
import { defined } from "../../errors/defined.ts";
import { objectOf } from "../../kube/fields.ts";
import type { LeaseHolderName } from "../../kube/lease.ts";
import { nodeOf } from "../../kube/mirror-pod.ts";
import { judgeHealth } from "../../rescue/lease-track.ts";
import { mendingHint } from "../../rescue/permanent.ts";
import type { PodFault } from "../../rescue/pod-state.ts";
import { next, type RescueEnd, type RescueSeen, type RescueState } from "../../rescue/rescue-state.ts";
import { type RescueTarget, worksByLease } from "../../rescue/target.ts";
import { demandPermission } from "../cluster-access/permissions.ts";
import type { RescueWishes } from "./plan-rescue-pod.ts";
import { RescueCase, type StandIn, templateTitle } from "./rescue-case.ts";
import { type RescueSession, type StepResult, TimeIsUp } from "./rescue-session.ts";
import { earlierStandIn, goOnWith, LEAD_WITHIN_MS, makeStandIn } from "./stand-in.ts";
import { handOver, leadsAfterAll, untilStarted } from "./take-over.ts";

export interface RescueOutcome {
  readonly component: LeaseHolderName;
  readonly state: RescueEnd<StandIn>["as"];
  readonly namespace: string;
  readonly name: string;
  /** Whether it works by a lease at all; else what counts is that its pod is ready. */
  readonly elects: boolean;
  /** Who holds the lease. */
  readonly holder: string;
  /** The rescue pod that is there in the end. */
  readonly rescuePod: { readonly name: string; readonly node: string; readonly template: string } | null;
  readonly fault: PodFault | null;
  readonly hint: string | null;
}

export async function rescueComponent(
  session: RescueSession,
  target: RescueTarget,
  wishes: RescueWishes,
): Promise<RescueOutcome> {
  const rescue = new RescueCase(session, target, wishes);
  let state: RescueState<StandIn> = { kind: "finding-earlier" };
  while (state.kind !== "ended") {
    const seen: RescueSeen<StandIn> = await orLate(rescue, step(rescue, state));
    state = next(state, seen, target.templates.length);
  }
  return outcome(rescue, state);
}

/** The time of the run may be up at any step. */
async function orLate(rescue: RescueCase, running: Promise<RescueSeen<StandIn>>): Promise<RescueSeen<StandIn>> {
  try {
    return await running;
  } catch (error) {
    if (!(error instanceof TimeIsUp)) throw error;
    return { is: "late", fault: rescue.late(error) };
  }
}

async function step(
  rescue: RescueCase,
  state: Exclude<RescueState<StandIn>, { kind: "ended" }>,
): Promise<RescueSeen<StandIn>> {
  const { session, target } = rescue;
  switch (state.kind) {
    case "finding-earlier": {
      const pod = await earlierStandIn(rescue);
      return pod === undefined ? { is: "done" } : { is: "pod", pod: { pod, template: templateTitle(pod) } };
    }
    case "resuming":
      return seenPod(await goOnWith(rescue, state.earlier));
    case "judging": {
      const health = await lookAtHealth(rescue);
      return typeof health === "string" ? { is: health } : { is: "undecided", fault: health };
    }
    case "preparing":
      for (const verb of ["create", "delete"]) {
        const permission = { verb, resource: "pods", namespace: target.namespace };
        await demandPermission(session.api, permission, session.options.signal);
      }
      await raiseScaledAway(rescue);
      return { is: "done" };
    case "standing-in":
      return seenPod(await makeStandIn(rescue, state.template));
    case "starting-permanent":
      return seenFault(await untilStarted(rescue, state.standIn));
    case "handing-over":
      return seenFault(await handOver(rescue, state.standIn));
    case "removing":
      session.allow(LEAD_WITHIN_MS * 2); // what is begun is not left half done
      await session.until((look) => rescue.isGone(look, state.standIn.pod));
      return { is: "done" };
    case "returning":
      session.report(
        `the permanent ${target.component} does not take over, so its rescue pod comes back: ${state.failure.text}`,
      );
      await rescue.noteIdle();
      return seenPod(await makeStandIn(rescue, templateOf(target, state.standIn)));
    case "last-look":
      if (!(await leadsAfterAll(rescue))) return { is: "lost" };
      session.report(`the permanent ${target.component} has come back by itself`);
      return { is: "healthy" };
  }
}

function seenPod(made: StandIn | PodFault): RescueSeen<StandIn> {
  return "pod" in made ? { is: "pod", pod: made } : { is: "fault", fault: made };
}

function seenFault(fault: PodFault | undefined): RescueSeen<StandIn> {
  return fault === undefined ? { is: "done" } : { is: "fault", fault };
}

/** The template that a rescue pod was made of; the first one where it says another. */
function templateOf({ templates }: RescueTarget, { template }: StandIn): number {
  return Math.max(
    0,
    templates.findIndex(({ title }) => title === template),
  );
}

/** A fault where its pods run and nothing proves that they do not work. */
async function lookAtHealth(rescue: RescueCase): Promise<"healthy" | "lost" | PodFault> {
  const { session, target } = rescue;
  const { component } = target;
  const began = session.options.now();
  const health = await session.until((look): StepResult<"healthy" | "lost" | "unknown"> => {
    const running = rescue.running(look);
    const verdict = judgeHealth({
      track: rescue.lease,
      elects: target.leases.some(({ elects }) => elects),
      isDoubtful: target.leases.some(({ doubt }) => doubt !== undefined),
      running: running.length,
      ready: running.filter(({ state }) => state.is === "running" && state.ready).length,
      now: session.options.now(),
      lookedMs: session.options.now() - began,
    });
    return verdict === "unsure" ? { waitingFor: `${component} to renew its lease` } : { done: verdict };
  });
  const { lease } = rescue.lease;
  if (health === "healthy") {
    const why = rescue.lease.isRenewed ? `"${lease?.holder ?? ""}" renews its lease` : "its pod is ready";
    session.report(`${component} is healthy: ${why}`);
    return "healthy";
  }
  const doubt = health === "unknown" ? undecided(rescue) : await rescue.noteIdle();
  if (doubt !== undefined) {
    session.report(`whether ${component} works is not known: ${doubt.text}`);
    return doubt;
  }
  const evidence = !worksByLease(target)
    ? "none of its pods is ready"
    : lease === undefined
      ? "nobody has ever held its lease"
      : lease.holder === ""
        ? `nobody has held its lease since ${lease.renewTime}`
        : `"${lease.holder}" renewed its lease last at ${lease.renewTime}`;
  session.report(`${component} is lost: ${evidence}`);
  return "lost";
}

function undecided({ target }: RescueCase): PodFault {
  const doubt = target.leases.find((each) => each.doubt !== undefined)?.doubt;
  const text =
    doubt === undefined
      ? "it runs without leader election and is not ready, which does not prove that it does not work"
      : `its pods run, and which lease they take is not known: ${doubt}`;
  return { kind: "undecided", text };
}

/** What was scaled to 0 never comes back, and it is what is asked for. */
async function raiseScaledAway({ session, target }: RescueCase): Promise<void> {
  const { workload, kind, namespace, name } = target;
  if ((kind !== "Deployment" && kind !== "ReplicaSet") || objectOf(workload?.spec).replicas !== 0) return;
  session.report(`${kind} "${namespace}/${name}" was scaled to 0: scaling it to 1`);
  const path = `/apis/${defined(workload).apiVersion}/namespaces/${namespace}/${kind.toLowerCase()}s/${name}`;
  await session.api.patch(path, { spec: { replicas: 1 } }, session.options.signal);
}

function outcome(
  { session, target, lease }: RescueCase,
  { as: state, standIn, fault }: RescueEnd<StandIn>,
): RescueOutcome {
  const { component, namespace, name } = target;
  if (standIn !== undefined) session.keepPod(standIn.pod);
  const usesOlder = standIn?.template.startsWith("revision ") === true;
  return {
    component,
    state,
    namespace,
    name,
    elects: worksByLease(target),
    holder: lease.lease?.holder ?? "",
    rescuePod:
      standIn === undefined
        ? null
        : { name: standIn.pod.metadata.name, node: nodeOf(standIn.pod), template: standIn.template },
    fault: fault ?? null,
    hint: fault === undefined ? null : mendingHint(target, fault, usesOlder),
  };
}
