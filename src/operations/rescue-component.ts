/** The rescue of one component, step by step: is it lost, a pod that stands in, the permanent one started, the hand-over, and its lease renewed. */
import { objectOf } from "../controlplane/fields.ts";
import type { LeaseHolderName } from "../controlplane/lease.ts";
import { isHeldAt, releasePatch } from "../controlplane/lease.ts";
import { nodeOf } from "../controlplane/mirror-pod.ts";
import { ApiError } from "../io/cluster-api.ts";
import { judgeHealth } from "../rescue/lease-track.ts";
import {
  judgeReadiness,
  mendingHint,
  permanentPods,
  type Readiness,
  type SeenPod,
  seePods,
} from "../rescue/permanent.ts";
import { podState, podTitle, refusedTrouble, type Trouble } from "../rescue/pod-state.ts";
import { isRescuePodOf } from "../rescue/rescue-pod.ts";
import type { RescueTarget, RescueTemplate } from "../rescue/target.ts";
import type { KubeObject } from "../storage/object.ts";
import { readCreationTrouble, readMissingHelper } from "./creation-trouble.ts";
import { planRescuePod, type RescueWishes } from "./plan-rescue-pod.ts";
import { podPath, type RescueSession, TimeIsUp, type Verdict } from "./rescue-session.ts";
import type { RescueLook } from "./rescue-view.ts";

export interface RescueOutcome {
  readonly component: LeaseHolderName;
  /**
   * `healthy`: it was, and nothing was done. `mended`: the permanent one has its lease. `rescued`: it works by its rescue pod, and the permanent one cannot come back.
   * `lost`: nothing helped.
   */
  readonly state: "healthy" | "mended" | "rescued" | "lost";
  readonly namespace: string;
  readonly name: string;
  /** Who holds the lease. */
  readonly holder: string;
  /** The rescue pod that is there in the end. */
  readonly rescuePod: { readonly name: string; readonly node: string; readonly template: string } | null;
  readonly trouble: Trouble | null;
  readonly hint: string | null;
}

/** What is wrong for this long is not expected to go away by itself: an image may be pulled at the second try, a pod fit a moment later. */
const FINAL_AFTER_MS = 12_000;
/** A rescue pod that runs gets so long for its first lease: 15 s until the last one's has run out, and some to start. */
const LEAD_WITHIN_MS = 60_000;
/** A permanent pod that the kubelet tries again after its crash over the port: the kubelet's back-off, then a lease. */
const TAKE_OVER_WITHIN_MS = 90_000;
/** The kubelet waits up to 5 minutes before it tries a static pod again that crashed often. */
const STATIC_TAKE_OVER_WITHIN_MS = 360_000;
/** From here on the kubelet's back-off is longer than making the pod anew. */
const TIRED_AFTER_RESTARTS = 2;

export async function rescueComponent(
  session: RescueSession,
  target: RescueTarget,
  wishes: RescueWishes,
): Promise<RescueOutcome> {
  return new ComponentRescue(session, target, wishes).run();
}

/** The API server's clock, by an object that it has made: a time in whole seconds, cut off, and when it was here. */
interface ServerClock {
  readonly created: number;
  readonly at: number;
}

interface StandIn {
  readonly pod: KubeObject;
  readonly template: string;
}

class ComponentRescue {
  readonly #session: RescueSession;
  readonly #target: RescueTarget;
  readonly #wishes: RescueWishes;
  readonly #replaced = new Set<string>();
  /** The rescue pod's identity in the lease, where it is certain. */
  #rescueHolder: string | undefined;
  #clock: ServerClock | undefined;

  constructor(session: RescueSession, target: RescueTarget, wishes: RescueWishes) {
    this.#session = session;
    this.#target = target;
    this.#wishes = wishes;
  }

  async run(): Promise<RescueOutcome> {
    try {
      return await this.#run();
    } catch (error) {
      if (!(error instanceof TimeIsUp)) throw error;
      return this.#outcome("lost", undefined, this.#late(error));
    }
  }

  async #run(): Promise<RescueOutcome> {
    const { component } = this.#target;
    const earlier = await this.#session.until((look) => this.#earlierRescue(look));
    if (earlier === undefined) {
      const health = await this.#session.until((look) => this.#health(look));
      if (health === "healthy") {
        this.#session.tell(`${component} is healthy: "${this.#lease.lease?.holder ?? ""}" renews its lease`);
        return this.#outcome("healthy");
      }
      this.#session.tell(`${component} is lost: ${this.#evidence()}`);
    }
    await this.#raiseScaledAway();
    const standIn = await this.#standIn(earlier);
    if (!("pod" in standIn)) return this.#outcome("lost", undefined, standIn);
    const ready = await this.#permanentReady(standIn);
    if (ready !== undefined) return this.#leave(standIn, ready);
    const failure = await this.#handOver(standIn);
    this.#session.allow(LEAD_WITHIN_MS);
    await this.#session.until((look) => goneVerdict(look, standIn.pod));
    return failure === undefined ? this.#outcome("mended") : this.#putBack(standIn, failure);
  }

  get #lease() {
    return this.#session.view.track(this.#target.component);
  }

  #rescuePodIn(look: RescueLook): KubeObject | undefined {
    const { component, name, namespace } = this.#target;
    return look.pods.find((pod) => pod.metadata.namespace === namespace && isRescuePodOf(component, name, pod));
  }

  /** One that is of no use any more is taken away first. */
  async #earlierRescue(look: RescueLook): Promise<Verdict<KubeObject | undefined>> {
    const pod = this.#rescuePodIn(look);
    if (pod === undefined) return { done: undefined };
    const waitingFor = `${podTitle(pod)} of an earlier rescue to end`;
    if (pod.metadata.deletionTimestamp !== undefined) return { waitingFor };
    const state = podState(this.#target.component, pod);
    const isElsewhere = this.#wishes.node !== undefined && nodeOf(pod) !== this.#wishes.node;
    if (state.is === "running" && !isElsewhere) return { done: pod };
    if (state.is === "bound" && state.trouble === undefined && !isElsewhere) return { done: pod };
    await this.#session.removePod(pod);
    return { waitingFor };
  }

  #permanent(look: RescueLook): SeenPod[] {
    return seePods(this.#target, permanentPods(this.#target, look.pods), look.nodes);
  }

  #lookedSince: number | undefined;
  #health(look: RescueLook): Verdict<"healthy" | "lost"> {
    const now = this.#session.options.now();
    this.#lookedSince ??= now;
    const running = this.#permanent(look).filter(({ state, alive }) => alive && state.is === "running");
    const verdict = judgeHealth({
      track: this.#lease,
      elects: this.#target.lease.elects,
      running: running.length,
      ready: running.filter(({ state }) => state.is === "running" && state.ready).length,
      now,
      lookedMs: now - this.#lookedSince,
    });
    if (verdict !== "unsure") return { done: verdict };
    return { waitingFor: `${this.#target.component} to renew its lease` };
  }

  #evidence(): string {
    const { lease } = this.#lease;
    if (!this.#target.lease.elects) return "none of its pods is ready";
    if (lease === undefined) return "nobody has ever held its lease";
    if (lease.holder === "") return `nobody holds its lease since ${lease.renewTime}`;
    return `"${lease.holder}" renewed its lease last at ${lease.renewTime}`;
  }

  /** What was scaled to 0 never comes back, and it is what is asked for. */
  async #raiseScaledAway(): Promise<void> {
    const { workload, kind, namespace, name } = this.#target;
    if (kind !== "Deployment" || objectOf(workload?.spec).replicas !== 0) return;
    this.#session.tell(`Deployment "${namespace}/${name}" was scaled to 0: scaling it to 1`);
    const path = `/apis/${workload!.apiVersion}/namespaces/${namespace}/deployments/${name}`;
    await this.#session.api.patch(path, { spec: { replicas: 1 } }, this.#session.options.signal);
  }

  /** A rescue pod that leads, made of the first template that works; or why none does. */
  async #standIn(earlier: KubeObject | undefined): Promise<StandIn | Trouble> {
    if (earlier !== undefined) {
      this.#session.tell(`${podTitle(earlier)} is there from an earlier rescue: going on with it`);
      const trouble = await this.#leads(earlier);
      if (trouble === undefined) return { pod: earlier, template: templateOf(earlier) };
      await this.#discard(earlier, trouble);
    }
    let first: Trouble | undefined;
    for (const template of this.#target.templates) {
      const made = await this.#make(template);
      if (!("metadata" in made)) {
        first ??= made;
        continue;
      }
      const trouble = await this.#leads(made);
      if (trouble === undefined) return { pod: made, template: template.title };
      first ??= trouble;
      await this.#discard(made, trouble);
    }
    return first!;
  }

  async #make(template: RescueTemplate): Promise<KubeObject | Trouble> {
    const { pods, nodes } = this.#session.view.look()!;
    const planned = await planRescuePod(this.#session.api, this.#target, template, this.#wishes, { pods, nodes });
    for (const note of planned.notes) this.#session.tell(note);
    if (planned.refusal !== undefined) return planned.refusal;
    await this.#restartStuck(nodeOf(planned.pod));
    this.#lease.forget();
    const pod = await this.#create(planned.pod);
    if (!("metadata" in pod)) return pod;
    this.#clock = { created: Date.parse(pod.metadata.creationTimestamp ?? ""), at: this.#session.options.now() };
    this.#session.tell(`created ${podTitle(pod)} on node "${nodeOf(pod)}" from ${template.title}`);
    return pod;
  }

  /** Servers too old for a dry run refuse it only here. */
  async #create(pod: KubeObject): Promise<KubeObject | Trouble> {
    try {
      return await this.#session.makePod(pod);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return refusedTrouble(podTitle(pod), error.message);
    }
  }

  /** A permanent pod that runs and does nothing holds the port that the rescue pod needs. */
  async #restartStuck(node: string): Promise<void> {
    if (this.#target.kind === "StaticPod") return;
    for (const { pod, state } of this.#permanent(this.#session.view.look()!)) {
      if (state.is !== "running" || nodeOf(pod) !== node) continue;
      this.#session.tell(`${podTitle(pod)} runs and does not renew its lease: deleting it`);
      await this.#session.removePod(pod);
      await this.#session.until((look) =>
        look.pods.some(({ metadata }) => metadata.uid === pod.metadata.uid)
          ? { waitingFor: `${podTitle(pod)} to end` }
          : { done: undefined },
      );
    }
  }

  async #discard(pod: KubeObject, trouble: Trouble): Promise<void> {
    this.#session.tell(`${podTitle(pod)} is of no use: ${trouble.text}`);
    await this.#session.removePod(pod);
    await this.#session.until((look) => goneVerdict(look, pod));
  }

  /** Until the lease is renewed while the rescue pod runs; or why the pod cannot lead. */
  #leads(rescue: KubeObject): Promise<Trouble | undefined> {
    const { component, lease: place } = this.#target;
    const { now } = this.#session.options;
    const since = new Since(now);
    let runningSince: number | undefined;
    return this.#session.until(async (look): Promise<Verdict<Trouble | undefined>> => {
      const pod = look.pods.find(({ metadata }) => metadata.uid === rescue.metadata.uid);
      if (pod === undefined) {
        // The watch may not have told of it yet.
        const trouble: Trouble = { kind: "no-pod", text: `${podTitle(rescue)} was deleted by somebody else` };
        return since.isFor("gone", FINAL_AFTER_MS)
          ? { done: trouble }
          : { waitingFor: `${podTitle(rescue)} to be started` };
      }
      const state = podState(component, pod);
      if (!this.#lease.isRenewed) await this.#freeDeadLease(look);
      if (state.is === "running") {
        if (place.elects ? this.#lease.isRenewed : state.ready) {
          this.#noteHolder(look, pod);
          return { done: undefined };
        }
        runningSince ??= now();
        if (now() - runningSince > LEAD_WITHIN_MS) return { done: await this.#noLease(pod) };
        return { waitingFor: `${podTitle(pod)} to hold the lease` };
      }
      const trouble = state.is === "crashed" ? this.#session.crashOf(pod, state.crash) : state.trouble;
      if (trouble === undefined) return { waitingFor: `${podTitle(pod)} to be started` };
      const isFinal =
        trouble.kind === "bad-flag" || trouble.kind === "rejected" || since.isFor(trouble.kind, FINAL_AFTER_MS);
      return isFinal ? { done: trouble } : { waitingFor: `${podTitle(pod)} to be started: ${trouble.text}` };
    });
  }

  /** Who renews the lease is the rescue pod where nothing else of the component runs. */
  #noteHolder(look: RescueLook, rescue: KubeObject): void {
    const others = this.#permanent(look).filter(({ state }) => state.is === "running");
    const holder = this.#lease.lease?.holder;
    if (others.length === 0 && holder !== undefined) this.#rescueHolder = holder;
    this.#session.tell(
      this.#target.lease.elects
        ? `${podTitle(rescue)} runs, and "${holder}" renews the lease`
        : `${podTitle(rescue)} is ready`,
    );
  }

  async #noLease(pod: KubeObject): Promise<Trouble> {
    const container = podState(this.#target.component, pod);
    const log = container.is === "running" ? await this.#session.lastLog(pod, this.#containerOf(pod)) : "";
    const line =
      log
        .trim()
        .split("\n")
        .findLast((each) => /^E\d{4} |error/i.test(each)) ?? "";
    return {
      kind: "no-lease",
      text: `${podTitle(pod)} runs and does not get the lease${line === "" ? "" : `: ${line.trim()}`}`,
    };
  }

  #containerOf(pod: KubeObject): string {
    const { containers } = objectOf(pod.spec) as { readonly containers?: readonly { readonly name: string }[] };
    return containers?.find(({ name }) => name.includes(this.#target.component))?.name ?? containers?.[0]?.name ?? "";
  }

  /**
   * The lease of a holder that is gone would keep a candidate waiting for 15 s after it has started. It is given up in the holder's name once it has run out, by the
   * API server's clock, and no pod of the component runs.
   */
  async #freeDeadLease(look: RescueLook): Promise<void> {
    const { lease } = this.#lease;
    if (lease === undefined || lease.holder === "" || !this.#target.lease.elects || this.#clock === undefined) return;
    if (this.#permanent(look).some(({ state }) => state.is === "running")) return;
    const { created, at } = this.#clock;
    const now = created + this.#session.options.now() - at; // at least
    if (!Number.isNaN(now) && !isHeldAt(lease, now)) await this.#release(lease.holder);
  }

  async #release(holder: string): Promise<void> {
    for (const { path, lease } of this.#session.view.leaseRecords(this.#target.component) ?? []) {
      if (lease.holder !== holder) continue;
      try {
        await this.#session.api.patch(path, releasePatch(lease), this.#session.options.signal);
      } catch (error) {
        // Somebody has renewed it, or it may not be written: then it runs out by itself.
        if (!(error instanceof ApiError)) throw error;
      }
    }
  }

  /** Until a permanent pod is started, which is undefined; or what keeps it from that. */
  #permanentReady(standIn: StandIn): Promise<Trouble | undefined> {
    const since = new Since(this.#session.options.now);
    return this.#onTime(
      this.#session.until(async (look): Promise<Verdict<Trouble | undefined>> => {
        const readiness = this.#readiness(look, standIn);
        await this.#refreshTired(look, readiness);
        if (readiness.can === "take-over") return { done: undefined };
        if (readiness.can === "not-yet") {
          const refusal = await this.#stalled(look);
          if (refusal === undefined) return { waitingFor: readiness.waitingFor };
          return since.isFor(refusal.text, FINAL_AFTER_MS)
            ? { done: refusal }
            : { waitingFor: `its pod: ${refusal.text}` };
        }
        const { trouble } = readiness;
        return since.isFor(trouble.kind, FINAL_AFTER_MS)
          ? { done: trouble }
          : { waitingFor: `the permanent ${this.#target.component}: ${trouble.text}` };
      }),
    );
  }

  #readiness(look: RescueLook, { pod }: StandIn): Readiness {
    return judgeReadiness(this.#permanent(look), this.#target, nodeOf(pod), (each, crash) =>
      this.#session.crashOf(each, crash),
    );
  }

  /** A pod that has crashed often over the port would be tried again in minutes only: a new one is tried at once. */
  async #refreshTired(look: RescueLook, readiness: Readiness): Promise<void> {
    if (readiness.can !== "take-over" || this.#target.kind === "StaticPod") return;
    for (const { pod, state } of this.#permanent(look)) {
      const uid = pod.metadata.uid ?? "";
      if (state.is !== "crashed" || state.crash.restarts < TIRED_AFTER_RESTARTS || this.#replaced.has(uid)) continue;
      this.#replaced.add(uid);
      this.#session.tell(
        `${podTitle(pod)} has crashed ${state.crash.restarts} times over the port: having it made anew`,
      );
      await this.#session.removePod(pod);
    }
  }

  #askedAt = 0;
  #refusal: Trouble | undefined;
  /** Why no pod is made, or none bound to a node; asked for now and then. */
  async #stalled(look: RescueLook): Promise<Trouble | undefined> {
    const alive = this.#permanent(look).filter(({ state }) => state.is !== "gone");
    if (alive.some(({ state }) => state.is !== "unscheduled")) return undefined;
    const { now, signal } = this.#session.options;
    if (now() - this.#askedAt > 2000) {
      this.#askedAt = now();
      const { api } = this.#session;
      this.#refusal =
        (alive.length === 0 ? await readCreationTrouble(api, this.#target, signal) : undefined) ??
        (await readMissingHelper(api, this.#target.component, alive.length === 0, now(), signal));
    }
    return this.#refusal;
  }

  /** Takes the rescue pod away, and waits until the permanent one has its lease and renews it. Returns what goes wrong. */
  async #handOver({ pod: rescue }: StandIn): Promise<Trouble | undefined> {
    const { component, kind, lease: place } = this.#target;
    const { now } = this.#session.options;
    this.#session.tell(`the permanent ${component} is started: removing ${podTitle(rescue)}`);
    await this.#session.removePod(rescue);
    const ended = this.#rescueHolder;
    this.#lease.forget();
    const began = now();
    const within = kind === "StaticPod" ? STATIC_TAKE_OVER_WITHIN_MS : TAKE_OVER_WITHIN_MS;
    const since = new Since(now);
    return this.#onTime(
      this.#session.until(async (look): Promise<Verdict<Trouble | undefined>> => {
        if (!hasEnded(component, look, rescue)) return { waitingFor: `${podTitle(rescue)} to end` };
        if (ended !== undefined && this.#lease.lease?.holder === ended) await this.#release(ended);
        const running = this.#permanent(look).filter(({ state, alive }) => alive && state.is === "running");
        const { lease, isRenewed } = this.#lease;
        const leads = place.elects
          ? isRenewed && lease?.holder !== ended
          : running.some(({ state }) => state.is === "running" && state.ready);
        if (leads && running.length > 0) {
          this.#session.tell(`the permanent ${component} does its work: "${lease?.holder ?? ""}" renews its lease`);
          return { done: undefined };
        }
        const waitingFor = `the permanent ${component} to hold its lease`;
        const readiness = this.#readiness(look, { pod: rescue, template: "" });
        if (readiness.can === "not") {
          if (since.isFor(readiness.trouble.kind, FINAL_AFTER_MS)) return { done: readiness.trouble };
          return { waitingFor: `${waitingFor}: ${readiness.trouble.text}` };
        }
        if (now() - began <= within) return { waitingFor };
        if (running[0] !== undefined) return { done: await this.#noLease(running[0].pod) };
        return { done: { kind: "no-lease", text: `the permanent ${component} does not take its lease` } };
      }),
    );
  }

  /** The permanent one cannot do it after all. */
  async #putBack(standIn: StandIn, failure: Trouble): Promise<RescueOutcome> {
    this.#session.tell(
      `the permanent ${this.#target.component} does not take over, so its rescue pod comes back: ${failure.text}`,
    );
    this.#session.allow(LEAD_WITHIN_MS * 2);
    const template =
      this.#target.templates.find(({ title }) => title === standIn.template) ?? this.#target.templates[0]!;
    const again = await this.#make(template);
    if (!("metadata" in again)) return this.#outcome("lost", undefined, again);
    const trouble = await this.#leads(again);
    if (trouble === undefined) return this.#leave({ pod: again, template: template.title }, failure);
    return this.#outcome("lost", undefined, trouble);
  }

  #leave(standIn: StandIn, trouble: Trouble): RescueOutcome {
    this.#session.keepPod(standIn.pod);
    return this.#outcome("rescued", standIn, trouble);
  }

  /** What is waited for when the time is up is the trouble. */
  async #onTime(waiting: Promise<Trouble | undefined>): Promise<Trouble | undefined> {
    try {
      return await waiting;
    } catch (error) {
      if (!(error instanceof TimeIsUp)) throw error;
      return this.#late(error);
    }
  }

  #late({ waitingFor }: TimeIsUp): Trouble {
    const seconds = Math.round(this.#session.options.timeoutMs / 1000);
    return { kind: "timeout", text: `it did not come back within ${seconds} s; still waiting for ${waitingFor}` };
  }

  #outcome(state: RescueOutcome["state"], standIn?: StandIn, trouble?: Trouble): RescueOutcome {
    const { component, namespace, name } = this.#target;
    const usesOlder = standIn?.template.startsWith("revision ") === true;
    return {
      component,
      state,
      namespace,
      name,
      holder: this.#lease.lease?.holder ?? "",
      rescuePod:
        standIn === undefined
          ? null
          : { name: standIn.pod.metadata.name, node: nodeOf(standIn.pod), template: standIn.template },
      trouble: trouble ?? null,
      hint: trouble === undefined ? null : mendingHint(this.#target, trouble, usesOlder),
    };
  }
}

/** Its container has ended, though the kubelet may still clean up behind it. */
function hasEnded(component: LeaseHolderName, look: RescueLook, rescue: KubeObject): boolean {
  const pod = look.pods.find(({ metadata }) => metadata.uid === rescue.metadata.uid);
  if (pod === undefined) return true;
  const { deletionTimestamp: _, ...metadata } = pod.metadata;
  return podState(component, { ...pod, metadata } as KubeObject).is !== "running";
}

function goneVerdict(look: RescueLook, pod: KubeObject): Verdict<undefined> {
  return look.pods.some(({ metadata }) => metadata.uid === pod.metadata.uid)
    ? { waitingFor: `${podTitle(pod)} to end` }
    : { done: undefined };
}

/** How long something has been the same. */
class Since {
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

function templateOf(pod: KubeObject): string {
  return pod.metadata.annotations?.["kubemend/template"] ?? podPath(pod);
}
