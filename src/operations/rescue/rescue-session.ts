/** One run of a rescue: what it works with, how it waits, and the pods that it has made, so that none is left behind unnoticed. */
import { MendError } from "../../errors/errors.ts";
import { ApiError, type ClusterApi, isConnectionError } from "../../io/api-server/cluster-api.ts";
import type { KubeObject } from "../../kube/object.ts";
import { type Crash, crashFault, type PodFault } from "../../rescue/pod-state.ts";
import type { RescueLook, RescueView } from "./rescue-view.ts";

const TICK_MS = 500;
/** What is still waited for is reported again after this. */
const REPEAT_MS = 15_000;
/** What is waited for only this long is not worth a line. */
const UNTOLD_MS = 900;
/** How much of a log is looked at: usage messages are long, and their reason stands in front. */
const LOG_BYTES = 256 << 10;

/** What a kubelet answers, as if it were the log, where the container has been removed meanwhile. */
const NO_LOG = /^(?:failed to try resolving symlinks|unable to retrieve container logs|rpc error:)/;
/** A log that could not be had may be had of the next run. */
const ASK_AGAIN_MS = 2000;

export interface SessionOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly now: () => number;
  readonly report: (text: string) => void;
}

/** What a look says: an answer, or what has to become so first. */
export type StepResult<T> = { readonly done: T } | { readonly waitingFor: string };

/** The time is up, and this is what was still waited for. */
export class TimeIsUp extends Error {
  readonly waitingFor: string;
  constructor(waitingFor: string) {
    super(waitingFor);
    this.waitingFor = waitingFor;
  }
}

export class RescueSession {
  readonly api: ClusterApi;
  readonly view: RescueView;
  readonly options: SessionOptions;
  #deadline: number;
  readonly #made = new Map<string, KubeObject>();
  readonly #adopted = new Map<string, KubeObject>();
  readonly #crashes = new Map<string, KnownCrash>();

  constructor(api: ClusterApi, view: RescueView, options: SessionOptions) {
    this.api = api;
    this.view = view;
    this.options = options;
    this.#deadline = options.now() + options.timeoutMs;
  }

  report(text: string): void {
    this.options.report(text);
  }

  /** What must not be left half done gets this much time, whatever the deadline. */
  allow(milliseconds: number): void {
    this.#deadline = Math.max(this.#deadline, this.options.now() + milliseconds);
  }

  /** Judges every change, and twice a second, until the verdict is done. Throws {@link TimeIsUp}. */
  async until<T>(judge: (look: RescueLook) => StepResult<T> | Promise<StepResult<T>>): Promise<T> {
    const { now, signal } = this.options;
    let last = "";
    let dueAt = 0;
    for (;;) {
      const waitingFor = await this.#judge(judge);
      if (typeof waitingFor !== "string") return waitingFor.done;
      if (now() > this.#deadline) throw new TimeIsUp(waitingFor);
      if (waitingFor !== last) {
        last = waitingFor;
        dueAt = now() + UNTOLD_MS;
      } else if (now() >= dueAt) {
        dueAt = now() + REPEAT_MS;
        this.report(`waiting for ${waitingFor}`);
      }
      await this.view.changed(TICK_MS, signal);
    }
  }

  async #judge<T>(judge: (look: RescueLook) => StepResult<T> | Promise<StepResult<T>>): Promise<{ done: T } | string> {
    const look = this.view.look();
    if (look === undefined) return "the cluster's pods, nodes and leases";
    if (!this.view.reachable) {
      const { failure } = this.view;
      if (failure instanceof ApiError && (failure.status === 401 || failure.status === 403)) throw failure;
      return "the API server to answer";
    }
    try {
      const verdict = await judge(look);
      return "done" in verdict ? verdict : verdict.waitingFor;
    } catch (error) {
      // One that goes away in between is waited for like anything else.
      if (error instanceof MendError && (isConnectionError(error) || isServerFault(error))) return error.message;
      throw error;
    }
  }

  /** Creates a pod that this run answers for, from the moment when it is asked for: an interruption may come before the answer. */
  async makePod(pod: KubeObject): Promise<KubeObject> {
    this.#made.set(podPath(pod), pod);
    try {
      const made = await this.api.create(collectionOf(pod), pod, this.options.signal);
      this.#made.set(podPath(pod), made);
      return made;
    } catch (error) {
      if (error instanceof ApiError) this.#made.delete(podPath(pod));
      throw error;
    }
  }

  /** Goes on with a pod that this run has not made: it is not this run's to take away when it is interrupted. */
  adoptPod(pod: KubeObject): void {
    this.#adopted.set(podPath(pod), pod);
  }

  /**
   * Deletes a pod of ours, or one that an earlier run has left; what is gone is gone, and gives false. `graceSeconds`
   * instead of its own; 0 is without waiting for its kubelet, for what does not run.
   */
  async removePod(
    pod: KubeObject,
    options: { readonly graceSeconds?: number | undefined; readonly signal?: AbortSignal } = {},
  ): Promise<boolean> {
    const { uid } = pod.metadata;
    const body = {
      ...(uid === undefined ? {} : { preconditions: { uid } }),
      ...(options.graceSeconds === undefined ? {} : { gracePeriodSeconds: options.graceSeconds }),
    };
    let wasThere = true;
    try {
      await this.api.delete(podPath(pod), body, options.signal ?? this.options.signal);
    } catch (error) {
      if (!(error instanceof ApiError) || (error.status !== 404 && error.status !== 409)) throw error;
      wasThere = false;
    }
    this.keepPod(pod);
    return wasThere;
  }

  /** This pod stays when the run ends, and nothing needs to be said of it. */
  keepPod(pod: KubeObject): void {
    this.#made.delete(podPath(pod));
    this.#adopted.delete(podPath(pod));
  }

  /** Pods of an earlier run that this one was continuing with when it ended. */
  get adopted(): KubeObject[] {
    return [...this.#adopted.values()];
  }

  /** Pods that this run has made, or may have made, and that are neither removed nor kept. */
  get leftover(): KubeObject[] {
    return [...this.#made.values()];
  }

  /** What a container's last run said when it ended; undefined until its log has been read, which is begun here. */
  crashOf(pod: KubeObject, crash: Crash): PodFault | undefined {
    const known = this.#crashes.get(crash.id);
    if (known === undefined || (known.fault?.kind === "unexplained" && this.options.now() > known.askAgainAt)) {
      const asked: KnownCrash = { fault: known?.fault, askAgainAt: Number.POSITIVE_INFINITY };
      this.#crashes.set(crash.id, asked);
      void this.lastLog(pod, crash.container).then((log) => {
        asked.fault = crashFault(pod, crash, log);
        asked.askAgainAt = this.options.now() + ASK_AGAIN_MS;
      });
    }
    return this.#crashes.get(crash.id)?.fault;
  }

  /** Of the run before where there was one, unless only the running one's is wanted; empty where it cannot be had. */
  async lastLog(pod: KubeObject, container: string, previous = true): Promise<string> {
    const { signal } = this.options;
    const path = `${podPath(pod)}/log?container=${encodeURIComponent(container)}&limitBytes=${LOG_BYTES}`;
    for (const which of previous ? ["&previous=true", ""] : [""]) {
      try {
        const log = await this.api.text(path + which, signal);
        if (log.trim() !== "" && !NO_LOG.test(log)) return log;
      } catch (error) {
        if (!(error instanceof MendError)) return ""; // aborted: whoever waits ends by that
      }
    }
    return "";
  }
}

/** What was found out about one end of a container. */
interface KnownCrash {
  fault: PodFault | undefined;
  askAgainAt: number;
}

function isServerFault(error: unknown): boolean {
  return error instanceof ApiError && error.status >= 500;
}

export function collectionOf({ metadata }: KubeObject): string {
  return `/api/v1/namespaces/${encodeURIComponent(metadata.namespace ?? "default")}/pods`;
}

export function podPath(pod: KubeObject): string {
  return `${collectionOf(pod)}/${encodeURIComponent(pod.metadata.name)}`;
}
