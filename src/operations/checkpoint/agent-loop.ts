/**
 * The node agent's loop. It looks when something happens (the API server's watch, a change of the manifests, a
 * deadline), and now and then at the container runtime: rarely while an API server answers, twice a second while none
 * does. A look is one walk: see, decide, do, keep. Nothing that may hang is in its way: secrets are fetched beside it,
 * and the walk takes what is there.
 */
import { causeOf } from "../../checkpoint/cause.ts";
import type { CheckpointId } from "../../checkpoint/checkpoint.ts";
import { observe, type RuntimeContainer, type Seen } from "../../checkpoint/observe.ts";
import { isLeftover } from "../../checkpoint/parent.ts";
import { type Action, plan, step, type Transition } from "../../checkpoint/plan.ts";
import { RunningContainers } from "../../checkpoint/running-containers.ts";
import { awaitsConfirmation, deadlineOf, foundState, type State } from "../../checkpoint/state.ts";
import { MendError } from "../../errors/errors.ts";
import { AgentKubeconfig } from "../../io/agent/agent-kubeconfig.ts";
import { CheckpointStore, type StoredCheckpoints } from "../../io/agent/checkpoint-store.ts";
import { NodePods } from "../../io/agent/node-pods.ts";
import { Wakeups } from "../../io/agent/wakeups.ts";
import { ClusterApi } from "../../io/api-server/cluster-api.ts";
import { AgentFindings } from "./agent-findings.ts";
import { CheckpointDrafts } from "./checkpoint-drafts.ts";
import type { CheckpointerOptions } from "./checkpointer-options.ts";
import type { AgentView } from "./checkpointer-report.ts";
import { CopyKeeper } from "./copy-keeper.ts";
import { KubeletList } from "./kubelet-list.ts";
import type { ManifestProtector } from "./manifest-protector.ts";

/** Between two looks at the runtime: with an API server that answers and nothing going on, and otherwise. */
const CALM_MS = 10_000;
const ALERT_MS = 500;
/** Events come in crowds: one look is for all of them. */
const COALESCE_MS = 20;
/**
 * The files of volumes are not watched, and a directory that was recreated is no longer: now and then all is read
 * again, which tells damage early.
 */
const RELOAD_MS = 60_000;
/** How often an agent at rest gives back the pages of its own program. */
const RELEASE_MS = 60_000;
/** An agent that no API server accepts lets another have the lock after this: its token may have expired while the other's is new. */
const DENIED_MS = 60_000;

export class AgentLoop {
  readonly #options: CheckpointerOptions;
  readonly #store: CheckpointStore;
  readonly #pods: NodePods;
  readonly #findings: AgentFindings;
  readonly #drafts: CheckpointDrafts;
  readonly #wakeups: Wakeups;
  readonly #kubeconfig: AgentKubeconfig;
  #states: ReadonlyMap<CheckpointId, State> = new Map();
  #stored: StoredCheckpoints = { generations: new Map(), active: [], findings: [] };
  #seen: readonly Seen[] = [];
  readonly #since = new Map<CheckpointId, { readonly at: number; readonly cause: string }>();
  readonly #containers = new RunningContainers();
  readonly #counts = { transitions: new Map<string, number>(), looks: 0 };
  #lastActivation: number | undefined;
  #diskChanged = true;
  #loadedAt = 0;
  #releasedAt = Number.NEGATIVE_INFINITY;
  #deniedSince: number | undefined;
  /** Whether it has removed itself: the kubelet ends it soon, and it does nothing until then. */
  #isOver = false;
  readonly #protector: ManifestProtector | undefined;
  readonly #kubelet: KubeletList;
  readonly #copies: CopyKeeper;

  constructor(options: CheckpointerOptions, protector?: ManifestProtector) {
    this.#options = options;
    this.#protector = protector;
    this.#store = new CheckpointStore(options.places, options.fileSystem);
    this.#findings = new AgentFindings(options.log);
    this.#drafts = new CheckpointDrafts(options, this.#findings);
    this.#wakeups = new Wakeups(options.signal);
    this.#kubeconfig = new AgentKubeconfig(options.kubeconfig, options.context);
    this.#pods = new NodePods({
      open: options.openApi ?? (async () => new ClusterApi(await this.#kubeconfig.read())),
      namespace: options.place.namespace,
      nodeName: options.place.nodeName,
      signal: options.signal,
      clock: options.clock,
      changed: () => this.#wakeups.wake(),
    });
    this.#kubelet = new KubeletList(options, this.#kubeconfig, (finding) => {
      if (finding === undefined || this.#pods.pods === undefined) this.#findings.set("kubelet", finding);
      if (finding === undefined) this.#wakeups.wake();
    });
    this.#copies = new CopyKeeper({
      options,
      store: this.#store,
      findings: this.#findings,
      reload: () => {
        this.#load();
        return this.#stored;
      },
      wakeAt: (time) => this.#wakeups.at(time),
    });
  }

  /** Runs until the signal aborts, or until no API server has accepted the agent for long. Leaves everything on disk as it is. */
  async run(): Promise<void> {
    const { signal, log, places, machine } = this.#options;
    this.#store.open();
    this.#load();
    try {
      this.#store.clear(); // what a removal that was cut short has left, secrets among it
    } catch (error) {
      this.#findings.fail("clear", places.secrets, error);
    }
    this.#takeUp();
    const watching = machine.watchDirectories([places.active, places.inactive], (error) => {
      if (error === undefined) this.#diskChanged = true;
      else this.#findings.fail("watch", places.active, error);
      this.#wakeups.wake();
    });
    const following = this.#pods.run();
    try {
      // Nothing is decided before the API server had a moment to answer: its silence means much.
      while (!this.#pods.asked && !signal.aborted) await this.#wakeups.rest(ALERT_MS);
      while (!signal.aborted) {
        if (!this.#isOver) await this.#look();
        if (this.#isDenied()) {
          log("warn", "no API server accepts this agent: another one may try", {});
          return;
        }
        await this.#sleep();
      }
    } finally {
      watching.close();
      machine.runtime.close();
      if (signal.aborted) await following;
    }
  }

  #load(): void {
    this.#diskChanged = false;
    this.#loadedAt = this.#options.clock();
    this.#stored = this.#store.load();
    for (const finding of this.#stored.findings) this.#findings.reportOnce(finding);
  }

  /** Goes on from where the last run ended: what lies in the kubelet's directory is active. */
  #takeUp(): void {
    const { active, generations } = this.#stored;
    const now = this.#options.clock();
    const states = new Map<CheckpointId, State>();
    for (const id of [...generations.keys(), ...active.map((file) => file.id)]) {
      const file = active.find((each) => each.id === id);
      states.set(id, foundState(file !== undefined, false, now));
      this.#since.set(id, { at: file?.modified ?? this.#options.now(), cause: "found on disk" });
    }
    this.#states = states;
  }

  async #look(): Promise<void> {
    this.#wakeups.clear();
    this.#counts.looks++;
    if (this.#diskChanged || this.#options.clock() - this.#loadedAt >= RELOAD_MS) this.#load();
    const { machine } = this.#options;
    const runtime = await machine.runtime.list();
    this.#findings.set("container runtime", machine.runtime.failure);
    const api = this.#pods.pods;
    this.#findings.set("API server", this.#pods.failure);
    const kubelet = api === undefined ? this.#kubelet.pods() : undefined;
    if (api !== undefined) this.#findings.end("kubelet"); // it is not asked, and cannot check credentials without an API server either
    const now = this.#options.clock();
    this.#seen = observe(
      {
        api,
        isApiHere: this.#pods.isHere,
        apiHeardAt: this.#pods.heardAt,
        kubelet,
        runtime,
        generations: this.#stored.generations,
        runningFor: (container) => this.#containers.runningFor(container, now),
      },
      this.#states.keys(),
      this.#options.place,
    );
    if (runtime !== undefined) this.#containers.keep(runtime);
    const { states, transitions } = step(this.#states, this.#seen, now, this.#options.patience);
    this.#states = states;
    if ([...states.values()].some((state) => awaitsConfirmation(state, now))) this.#pods.confirm();
    for (const transition of transitions) this.#record(transition);
    await this.#act(transitions, now);
    // Its own checkpoint may be an earlier pod's: only without one, too, nobody wants it.
    const isLeft = !this.#seen.some(({ observed }) => observed.isSelf) && isLeftover(api, this.#options.place);
    if (this.#isOver || isLeft) return;
    await this.#keep();
    if (this.#protector !== undefined) {
      const runningFor = (container: RuntimeContainer) => this.#containers.runningFor(container, now);
      await this.#protector.look({ clock: now, runtime, runningFor });
      this.#findings.replace("manifest ", this.#protector.findings);
    }
    const client = this.#pods.api;
    const known = this.#seen.filter(({ id }) => this.#states.has(id));
    if (client !== undefined) this.#drafts.fetch(client, known, () => this.#wakeups.wake());
  }

  async #act(transitions: readonly Transition[], knownAt: number): Promise<void> {
    const selfIds = new Set(this.#seen.filter(({ observed }) => observed.isSelf).map(({ id }) => id));
    for (const action of plan(this.#states, this.#stored.generations, this.#stored.active, selfIds)) {
      try {
        await this.#do(action, selfIds.has(action.id));
        this.#findings.end(`do ${action.id}`);
        if (action.act === "start" && transitions.some(({ id }) => id === action.id)) {
          this.#lastActivation = this.#options.clock() - knownAt;
          const afterMs = Math.round(this.#lastActivation * 10) / 10;
          const { manifest, number } = action.generation;
          const { lostAt } = this.#pods;
          const apiLostMs = lostAt === undefined ? {} : { apiServerLostMs: Math.round(this.#options.clock() - lostAt) };
          const fields = {
            checkpoint: action.id,
            pod: manifest.metadata.name,
            generation: number,
            afterMs,
            ...apiLostMs,
          };
          this.#options.log("info", "runs from now on", fields);
        }
      } catch (error) {
        this.#findings.fail(`do ${action.id}`, action.id, error);
      }
      this.#load();
    }
  }

  async #do(action: Action, isSelf: boolean): Promise<void> {
    switch (action.act) {
      case "start":
        return this.#store.start(action.generation);
      case "stop":
        return this.#store.stop(action.path);
      case "remove":
        this.#store.remove(action.id, isSelf);
        this.#isOver ||= isSelf;
        this.#states = new Map([...this.#states].filter(([id]) => id !== action.id));
        this.#drafts.forget(action.id);
        this.#since.delete(action.id);
        this.#findings.forget(` ${action.id}`);
        return;
    }
  }

  /** Keeps copies that are good. */
  async #keep(): Promise<void> {
    for (const seen of this.#seen) {
      const ready = this.#drafts.of(seen.id, seen.parents[0]);
      const state = this.#states.get(seen.id);
      if (ready !== undefined && state !== undefined) await this.#copies.keep(seen, state, ready, this.#stored);
    }
  }

  #isDenied(): boolean {
    const { failure, pods } = this.#pods;
    const isDenied = pods === undefined && failure instanceof MendError && failure.code === "api-denied";
    const now = this.#options.clock();
    this.#deniedSince = isDenied ? (this.#deniedSince ?? now) : undefined;
    const { podName } = this.#options.place;
    return podName !== undefined && this.#deniedSince !== undefined && now - this.#deniedSince >= DENIED_MS;
  }

  #record({ id, from, to, seen }: Transition): void {
    const cause = causeOf(seen.observed);
    this.#since.set(id, { at: this.#options.now(), cause });
    const key = `${from} ${to}`;
    this.#counts.transitions.set(key, (this.#counts.transitions.get(key) ?? 0) + 1);
    this.#options.log("info", "state changed", { checkpoint: id, from, to, cause });
  }

  /** Till the next event, the next deadline, or the next look at the runtime. */
  async #sleep(): Promise<void> {
    const now = this.#options.clock();
    const isAlert =
      this.#pods.pods === undefined ||
      this.#seen.some(({ observed }) => observed.parent === "starting" || observed.parent === "created") ||
      [...this.#states.values()].some(({ kind }) => kind !== "inactive" && kind !== "self" && kind !== "none");
    if (!isAlert && now - this.#releasedAt >= RELEASE_MS) {
      this.#options.machine.releaseMemory();
      this.#releasedAt = now;
    }
    const { patience } = this.#options;
    const deadlines = [...this.#states.values()].flatMap((state) => deadlineOf(state, now, patience) ?? []);
    const next =
      Math.min(...deadlines, this.#wakeups.nextAt, this.#protector?.nextAt ?? Number.POSITIVE_INFINITY) - now;
    const woken = await this.#wakeups.rest(Math.max(0, Math.min(isAlert ? ALERT_MS : CALM_MS, next)));
    if (woken) await this.#wakeups.pause(COALESCE_MS);
  }

  /** What it shows of itself. */
  view(): AgentView {
    const { protect } = this.#options;
    return {
      states: this.#states,
      since: this.#since,
      seen: this.#seen,
      stored: this.#stored,
      apiServer: this.#pods.pods === undefined ? (this.#pods.failure?.message ?? "not asked yet") : null,
      runtime: this.#options.machine.runtime.failure?.message ?? null,
      findings: this.#findings.current,
      counts: { ...this.#counts, copies: this.#copies.count, failures: this.#findings.failures },
      protects: protect === undefined ? null : protect.mends ? "mend" : "notice",
      lastActivationMs: this.#lastActivation,
    };
  }
}
