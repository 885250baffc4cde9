/** The rescue of one component, step by step: is it lost, a pod that stands in, the permanent one started, the hand-over, and its lease renewed. */
import { objectOf } from "../../kube/fields.ts";
import type { LeaseHolderName } from "../../kube/lease.ts";
import { nodeOf } from "../../kube/mirror-pod.ts";
import { judgeHealth } from "../../rescue/lease-track.ts";
import { mendingHint } from "../../rescue/permanent.ts";
import type { Trouble } from "../../rescue/pod-state.ts";
import { type RescueTarget, worksByLease } from "../../rescue/target.ts";
import { demandPermission } from "../cluster-access/permissions.ts";
import type { RescueWishes } from "./plan-rescue-pod.ts";
import { RescueCase, type StandIn } from "./rescue-case.ts";
import { type RescueSession, TimeIsUp, type Verdict } from "./rescue-session.ts";
import { earlierStandIn, goOnWith, LEAD_WITHIN_MS, makeOf, makeStandIn } from "./stand-in.ts";
import { handOver, leadsAfterAll, untilStarted } from "./take-over.ts";

export interface RescueOutcome {
  readonly component: LeaseHolderName;
  /**
   * `healthy`: it was, and nothing was done. `mended`: the permanent one has its lease. `rescued`: it works by its rescue pod, and the permanent one cannot come back.
   * `lost`: nothing helped. `unknown`: its pods run, and whether they work cannot be told: nothing was done.
   */
  readonly state: "healthy" | "mended" | "rescued" | "lost" | "unknown";
  readonly namespace: string;
  readonly name: string;
  /** Whether it works by a lease at all; else what counts is that its pod is ready. */
  readonly elects: boolean;
  /** Who holds the lease. */
  readonly holder: string;
  /** The rescue pod that is there in the end. */
  readonly rescuePod: { readonly name: string; readonly node: string; readonly template: string } | null;
  readonly trouble: Trouble | null;
  readonly hint: string | null;
}

export async function rescueComponent(
  session: RescueSession,
  target: RescueTarget,
  wishes: RescueWishes,
): Promise<RescueOutcome> {
  const rescue = new RescueCase(session, target, wishes);
  try {
    return await stepByStep(rescue);
  } catch (error) {
    if (!(error instanceof TimeIsUp)) throw error;
    return lost(rescue, rescue.late(error));
  }
}

async function stepByStep(rescue: RescueCase): Promise<RescueOutcome> {
  const { session, target } = rescue;
  const earlier = await earlierStandIn(rescue);
  const standingIn = earlier === undefined ? undefined : await goOnWith(rescue, earlier);
  if (standingIn === undefined) {
    const health = await lookAtHealth(rescue);
    if (health === "healthy") return outcome(rescue, "healthy");
    if (health !== "lost") return outcome(rescue, "unknown", { trouble: health });
  }
  const { signal } = session.options;
  for (const verb of ["create", "delete"]) {
    await demandPermission(session.api, { verb, resource: "pods", namespace: target.namespace }, signal);
  }
  await raiseScaledAway(rescue);
  const standIn = standingIn ?? (await makeStandIn(rescue));
  if (!("pod" in standIn)) return lost(rescue, standIn);
  const unready = await untilStarted(rescue, standIn);
  if (unready !== undefined) return leave(rescue, standIn, unready);
  const failure = await handOver(rescue, standIn);
  session.allow(LEAD_WITHIN_MS * 2); // what is begun is not left half done
  await session.until((look) => rescue.isGone(look, standIn.pod));
  if (failure === undefined) return outcome(rescue, "mended");

  session.tell(`the permanent ${target.component} does not take over, so its rescue pod comes back: ${failure.text}`);
  const template = target.templates.find(({ title }) => title === standIn.template) ?? target.templates[0]!;
  await rescue.noteIdle();
  const again = await makeOf(rescue, template);
  return "pod" in again ? leave(rescue, again, failure) : lost(rescue, again);
}

/** No rescue pod helps; but meanwhile the permanent one may have come back by itself, as a static pod does that its kubelet tries again. */
async function lost(rescue: RescueCase, trouble: Trouble): Promise<RescueOutcome> {
  if (!(await leadsAfterAll(rescue))) return outcome(rescue, "lost", { trouble });
  rescue.session.tell(`the permanent ${rescue.target.component} has come back by itself`);
  return outcome(rescue, "mended");
}

/** A trouble where its pods run and nothing proves that they do not work. */
async function lookAtHealth(rescue: RescueCase): Promise<"healthy" | "lost" | Trouble> {
  const { session, target } = rescue;
  const { component } = target;
  const began = session.options.now();
  const health = await session.until((look): Verdict<"healthy" | "lost" | "unknown"> => {
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
    session.tell(`${component} is healthy: ${why}`);
    return "healthy";
  }
  const doubt = health === "unknown" ? undecided(rescue) : await rescue.noteIdle();
  if (doubt !== undefined) {
    session.tell(`whether ${component} works is not known: ${doubt.text}`);
    return doubt;
  }
  const evidence = !worksByLease(target)
    ? "none of its pods is ready"
    : lease === undefined
      ? "nobody has ever held its lease"
      : lease.holder === ""
        ? `nobody has held its lease since ${lease.renewTime}`
        : `"${lease.holder}" renewed its lease last at ${lease.renewTime}`;
  session.tell(`${component} is lost: ${evidence}`);
  return "lost";
}

function undecided({ target }: RescueCase): Trouble {
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
  session.tell(`${kind} "${namespace}/${name}" was scaled to 0: scaling it to 1`);
  const path = `/apis/${workload!.apiVersion}/namespaces/${namespace}/${kind.toLowerCase()}s/${name}`;
  await session.api.patch(path, { spec: { replicas: 1 } }, session.options.signal);
}

/** The rescue pod stays: without it the component is lost again. */
function leave(rescue: RescueCase, standIn: StandIn, trouble: Trouble): RescueOutcome {
  rescue.session.keepPod(standIn.pod);
  return outcome(rescue, "rescued", { standIn, trouble });
}

function outcome(
  { target, lease }: RescueCase,
  state: RescueOutcome["state"],
  { standIn, trouble }: { readonly standIn?: StandIn; readonly trouble?: Trouble } = {},
): RescueOutcome {
  const { component, namespace, name } = target;
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
    trouble: trouble ?? null,
    hint: trouble === undefined ? null : mendingHint(target, trouble, usesOlder),
  };
}
