/** One run of a rescue: what it works with, how it waits, and the pods that it has made, so that none is left behind unnoticed. */
import { MendError } from "../errors.ts";
import { ApiError, type ClusterApi, isConnectionError } from "../io/cluster-api.ts";
import { type Crash, crashTrouble, type Trouble } from "../rescue/pod-state.ts";
import type { KubeObject } from "../storage/object.ts";
import type { RescueLook, RescueView } from "./rescue-view.ts";

const TICK_MS = 500;
/** What is still waited for is told again after this. */
const REPEAT_MS = 15_000;
/** What is waited for only this long is not worth a line. */
const UNTOLD_MS = 900;
/** How much of a log is looked at: usage messages are long, and their reason stands in front. */
const LOG_BYTES = 256 << 10;

export interface SessionOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly now: () => number;
  readonly tell: (text: string) => void;
}

/** What a look says: an answer, or what has to become so first. */
export type Verdict<T> = { readonly done: T } | { readonly waitingFor: string };

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
  readonly #crashes = new Map<string, Trouble | "asked">();

  constructor(api: ClusterApi, view: RescueView, options: SessionOptions) {
    this.api = api;
    this.view = view;
    this.options = options;
    this.#deadline = options.now() + options.timeoutMs;
  }

  tell(text: string): void {
    this.options.tell(text);
  }

  /** What must not be left half done gets this much time, whatever the deadline. */
  allow(milliseconds: number): void {
    this.#deadline = Math.max(this.#deadline, this.options.now() + milliseconds);
  }

  /** Judges every change, and twice a second, until the verdict is done. Throws {@link TimeIsUp}. */
  async until<T>(judge: (look: RescueLook) => Verdict<T> | Promise<Verdict<T>>): Promise<T> {
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
        this.tell(`waiting for ${waitingFor}`);
      }
      await this.view.changed(TICK_MS, signal);
    }
  }

  async #judge<T>(judge: (look: RescueLook) => Verdict<T> | Promise<Verdict<T>>): Promise<{ done: T } | string> {
    const look = this.view.look();
    if (look === undefined) return "the cluster's pods, nodes and leases";
    if (!this.view.reachable) {
      const { trouble } = this.view;
      if (trouble instanceof ApiError && (trouble.status === 401 || trouble.status === 403)) throw trouble;
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

  /** Creates a pod that this run answers for. */
  async makePod(pod: KubeObject): Promise<KubeObject> {
    const made = await this.api.create(collectionOf(pod), pod, this.options.signal);
    this.#made.set(podPath(made), made);
    return made;
  }

  /** Deletes a pod of ours, or one that an earlier run has left; what is gone is gone. */
  async removePod(pod: KubeObject, signal = this.options.signal): Promise<void> {
    const { uid } = pod.metadata;
    const options = uid === undefined ? {} : { preconditions: { uid } };
    try {
      await this.api.delete(podPath(pod), options, signal);
    } catch (error) {
      if (!(error instanceof ApiError) || (error.status !== 404 && error.status !== 409)) throw error;
    }
    this.#made.delete(podPath(pod));
  }

  /** This pod stays when the run ends. */
  keepPod(pod: KubeObject): void {
    this.#made.delete(podPath(pod));
  }

  /** Pods that this run has made and that are neither removed nor kept. */
  get leftover(): KubeObject[] {
    return [...this.#made.values()];
  }

  /** What a container's last run said when it ended; undefined until its log has been read, which is begun here. */
  crashOf(pod: KubeObject, crash: Crash): Trouble | undefined {
    const key = `${pod.metadata.uid} ${crash.restarts} ${crash.exitCode}`;
    const known = this.#crashes.get(key);
    if (known === undefined) {
      this.#crashes.set(key, "asked");
      void this.lastLog(pod, crash.container).then((log) => this.#crashes.set(key, crashTrouble(pod, crash, log)));
    }
    return known === "asked" ? undefined : known;
  }

  /** Of the run before where there was one; empty where it cannot be had. */
  async lastLog(pod: KubeObject, container: string): Promise<string> {
    const { signal } = this.options;
    const path = `${podPath(pod)}/log?container=${encodeURIComponent(container)}&limitBytes=${LOG_BYTES}`;
    for (const previous of ["&previous=true", ""]) {
      try {
        const log = await this.api.text(path + previous, signal);
        if (log.trim() !== "") return log;
      } catch (error) {
        if (!(error instanceof MendError)) return ""; // aborted: whoever waits ends by that
      }
    }
    return "";
  }
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
