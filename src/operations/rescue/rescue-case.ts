/** The rescue of one component: what is known of it while it continues, and what all its steps need. */

import { isSamePlace } from "../../controlplane/lease-place.ts";
import { ApiError } from "../../io/api-server/cluster-api.ts";
import { containerIndexOf } from "../../kube/component.ts";
import { isReady } from "../../kube/conditions.ts";
import { objectOf, objectsOf, textOf } from "../../kube/fields.ts";
import { releasePatch } from "../../kube/lease.ts";
import { nodeOf } from "../../kube/mirror-pod.ts";
import type { KubeObject } from "../../kube/object.ts";
import type { LeaseTrack } from "../../rescue/lease-track.ts";
import { permanentPods, type SeenPod, seePods } from "../../rescue/permanent.ts";
import { type Crash, type PodFault, plainLine, podTitle } from "../../rescue/pod-state.ts";
import { TEMPLATE_ANNOTATION } from "../../rescue/rescue-mark.ts";
import { type RescueTarget, worksByLease } from "../../rescue/target.ts";
import { findPodLease, leaseNamedBy } from "../cluster-access/lease-places.ts";
import type { RescueWishes } from "./plan-rescue-pod.ts";
import { podPath, type RescueSession, type StepResult, type TimeIsUp } from "./rescue-session.ts";
import type { RescueLook } from "./rescue-view.ts";

/** What is wrong for this long is not expected to go away by itself: an image may be pulled at the second try, a pod fit a moment later. */
export const FINAL_AFTER_MS = 12_000;

/** A component that elects no leader has to be ready for this long: one that is about to crash is, too, for a moment. */
export const STEADY_MS = 3_000;

/** A rescue pod that leads. */
export interface StandIn {
  readonly pod: KubeObject;
  /** The title of the template that it is made of. */
  readonly template: string;
}

/** The API server's clock, by an object that it has made: a time in whole seconds, cut off, and when it was here. */
interface ServerClock {
  readonly created: number;
  readonly at: number;
}

export class RescueCase {
  readonly session: RescueSession;
  readonly target: RescueTarget;
  readonly wishes: RescueWishes;
  /** The rescue pod's identity in the lease, where it is certain. */
  rescueHolder: string | undefined;
  clock: ServerClock | undefined;
  /** Why a rescue pod of the component's current template did not work: its permanent pod has the same. */
  currentFailure: PodFault | undefined;
  /** Permanent pods that run and were seen not to do their work, by UID. */
  readonly idle = new Set<string>();

  constructor(session: RescueSession, target: RescueTarget, wishes: RescueWishes) {
    this.session = session;
    this.target = target;
    this.wishes = wishes;
  }

  get lease(): LeaseTrack {
    return this.session.view.track(this.target.component);
  }

  /** The component's own pods. */
  permanent(look: RescueLook): SeenPod[] {
    return seePods(this.target, permanentPods(this.target, look.pods), look.nodes);
  }

  /** Those of them that run on a node which answers. */
  running(look: RescueLook): SeenPod[] {
    return this.permanent(look).filter(({ state, alive }) => alive && state.is === "running");
  }

  /**
   * What runs now has had its time to take the lease, and has not: noted as idle where that lease surely is the pod's
   * own, by what the pod itself says too. Else nothing is noted, and what is in doubt is returned.
   */
  async noteIdle(): Promise<PodFault | undefined> {
    const { session, target } = this;
    const look = await session.until((seen) => ({ done: seen }));
    const running = this.running(look);
    const watched = [target.lease, ...target.leases];
    for (const { pod } of running) {
      const { api, options } = session;
      const place = await findPodLease(api, target.component, pod, options.signal);
      const named = await leaseNamedBy(api, target.component, pod, options.signal);
      const other = [place, ...(named === undefined ? [] : [named])].find(
        (each) => !watched.some((lease) => isSamePlace(lease, each)),
      );
      const doubt =
        place.doubt ?? (other && `it takes the lease "${other.namespace}/${other.name}", which was not looked at`);
      if (doubt !== undefined) return { kind: "undecided", text: `${podTitle(pod)} runs: ${doubt}` };
    }
    for (const { pod } of running) this.idle.add(pod.metadata.uid ?? "");
    return undefined;
  }

  isOnReadyNode(pod: KubeObject, { nodes }: RescueLook): boolean {
    return nodes.some((node) => node.metadata.name === nodeOf(pod) && isReady(node));
  }

  crashOf(pod: KubeObject, crash: Crash): PodFault | undefined {
    return this.session.crashOf(pod, crash);
  }

  /** Gives the lease up in the name of a holder that is gone. */
  async release(holder: string): Promise<void> {
    for (const { path, lease } of this.session.view.leaseRecords(this.target.component) ?? []) {
      if (lease.holder !== holder) continue;
      try {
        await this.session.api.patch(path, releasePatch(lease), this.session.options.signal);
      } catch (error) {
        // Somebody has renewed it, or it may not be written: then it runs out by itself.
        if (!(error instanceof ApiError)) throw error;
      }
    }
  }

  /** What a pod says that runs and does not lead. */
  async withoutLease(pod: KubeObject): Promise<PodFault> {
    const spec = objectOf(pod.spec);
    const container = objectsOf(spec.containers)[containerIndexOf(this.target.component, spec)];
    const log = await this.session.lastLog(pod, textOf(container?.name), false);
    const line = log
      .trim()
      .split("\n")
      .findLast((each) => /^E\d{4} |error/i.test(each));
    const named = line === undefined ? "" : `: ${plainLine(line.trim())}`;
    const lacks = worksByLease(this.target) ? "does not get the lease" : "does not become ready";
    return { kind: "no-lease", text: `${podTitle(pod)} runs and ${lacks}${named}` };
  }

  /** Undefined where a pod is gone. */
  isGone(look: RescueLook, pod: KubeObject): StepResult<undefined> {
    return look.pods.some(({ metadata }) => metadata.uid === pod.metadata.uid)
      ? { waitingFor: `${podTitle(pod)} to end` }
      : { done: undefined };
  }

  /** What was still waited for when the time was up. */
  late({ waitingFor }: TimeIsUp): PodFault {
    const seconds = Math.round(this.session.options.timeoutMs / 1000);
    return { kind: "timeout", text: `it did not come back within ${seconds} s; still waiting for ${waitingFor}` };
  }
}

/** How long something has been the same. */
export class Since {
  readonly #now: () => number;
  #what = "";
  #at = 0;
  constructor(now: () => number) {
    this.#now = now;
  }
  isFor(what: string, milliseconds: number): boolean {
    if (what !== this.#what) {
      this.#what = what;
      this.#at = this.#now();
    }
    return this.#now() - this.#at >= milliseconds;
  }
}

/** The template that a rescue pod says it is made of. */
export function templateTitle(pod: KubeObject): string {
  return pod.metadata.annotations?.[TEMPLATE_ANNOTATION] ?? podPath(pod);
}
