/**
 * A start from the moment when its files are placed: looks, asks `bootstrap/start-state.ts` what follows, and does the
 * work of each step.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Observation } from "../../bootstrap/pivot.ts";
import {
  isEnded,
  next,
  START_RULES,
  STARTING,
  type StartFailure,
  type StartSeen,
  type StartState,
} from "../../bootstrap/start-state.ts";
import { MendError } from "../../errors/errors.ts";
import { ApiError, isConnectionError } from "../../io/api-server/cluster-api.ts";
import { LiveObjects } from "../../io/api-server/live-objects.ts";
import { removeManifests } from "../../io/files/bootstrap-files.ts";
import { ClusterView, VIEWED } from "./cluster-view.ts";
import { type Creation, createManifests } from "./create-manifests.ts";
import { type HeldLeases, leasesOfTemporary } from "./give-up-leases.ts";
import { HandOver } from "./hand-over.ts";
import { apiServerFailureReport, lookAtApiServer } from "./start-api-server.ts";
import type { Start } from "./start-options.ts";
import { waitingReport } from "./waiting-report.ts";

const POLL_MS = 200;
const TICK_MS = 1000;

export interface StartedCluster {
  readonly creation: Creation;
  readonly view: ClusterView;
}

/** `follow`: lists of {@link VIEWED} that are kept up to date. Throws `timeout` when the time is up. */
export function runStart(start: Start, follow?: () => ClusterView["live"]): Promise<StartedCluster> {
  return new StartRun(start, follow ?? (() => new LiveObjects(start.api, VIEWED, start.ended.signal))).run();
}

interface Look {
  readonly seen: StartSeen;
  /** For the report. */
  readonly waitingFor: readonly string[];
}

class StartRun {
  readonly #start: Start;
  readonly #follow: () => ClusterView["live"];
  readonly #rules;
  readonly #whyApiServerFails: () => Promise<string>;
  #state: StartState = STARTING;
  #refusal: ApiError | undefined;
  #creation: Creation = { created: 0, existed: 0, failed: [] };
  #held: HeldLeases = new Map();
  #following: { readonly view: ClusterView; readonly handOver: HandOver } | undefined;

  constructor(start: Start, follow: () => ClusterView["live"]) {
    this.#start = start;
    this.#follow = follow;
    this.#rules = { ...START_RULES, deadline: start.deadline, ownsApi: start.pods.length === start.plan.pods.length };
    this.#whyApiServerFails = apiServerFailureReport(start);
  }

  async run(): Promise<StartedCluster> {
    const { now, report, signal } = this.#start.options;
    const reportWaiting = waitingReport(now, report);
    for (;;) {
      const { seen, waitingFor } = await this.#look();
      const before = this.#state;
      this.#state = next(before, seen, now(), this.#rules);
      if (this.#state.kind === "failed") throw this.#failure(this.#state.why, waitingFor);
      if (this.#state.kind !== before.kind) await this.#enter(this.#state);
      if (isEnded(this.#state)) return { creation: this.#creation, view: this.#followed().view };
      if (this.#state.kind !== before.kind) continue;
      reportWaiting(waitingFor);
      if (this.#following === undefined) await sleep(POLL_MS, undefined, { signal });
      else await this.#following.view.live.changed(TICK_MS, signal);
    }
  }

  #followed() {
    if (this.#following !== undefined) return this.#following;
    const view = new ClusterView(this.#follow(), this.#start.options.machine, this.#start.node);
    this.#following = { view, handOver: new HandOver(this.#start, view, this.#rules) };
    return this.#following;
  }

  async #look(): Promise<Look> {
    const { options, plan, api } = this.#start;
    const nothing = { isCreated: false, temporary: "there", waitingFor: undefined } as const;
    switch (this.#state.kind) {
      case "starting": {
        const { refusal, waitingFor, ...seen } = await lookAtApiServer(this.#start, this.#whyApiServerFails);
        this.#refusal = refusal;
        return { seen: { ...nothing, ...seen }, waitingFor: [waitingFor] };
      }
      case "creating":
        this.#creation = await createManifests(api, plan.objects, options);
        return { seen: { ...nothing, api: "ready", isCreated: true }, waitingFor: [] };
      default:
        return this.#lookAtCluster();
    }
  }

  async #lookAtCluster(): Promise<Look> {
    const { live } = this.#followed().view;
    const observation = this.#followed().view.look();
    const isRefused = live.failure instanceof ApiError && (live.failure.status === 401 || live.failure.status === 403);
    const api = live.reachable ? "ready" : isRefused ? "refusing" : "unreachable";
    const seen = { api, isCreated: true, temporary: "there", waitingFor: undefined } as const;
    if (observation === undefined) return { seen, waitingFor: ["the cluster's objects"] };
    if (api !== "ready") return { seen, waitingFor: ["the API server to answer"] };
    try {
      const { temporary, waitingFor } = await this.#judge(observation);
      return { seen: { ...seen, temporary, waitingFor }, waitingFor };
    } catch (error) {
      // An API server that goes away in the middle of a chore is waited for like anything else.
      if (isConnectionError(error) || error instanceof ApiError)
        return { seen, waitingFor: [(error as Error).message] };
      throw error;
    }
  }

  async #judge(look: Observation): Promise<Pick<StartSeen, "temporary"> & { readonly waitingFor: readonly string[] }> {
    const { handOver } = this.#followed();
    switch (this.#state.kind) {
      case "ending": {
        const temporary = await handOver.end(look, this.#held);
        return { temporary, waitingFor: temporary === "gone" ? [] : handOver.unproved(look) };
      }
      case "proving":
        return { temporary: handOver.temporary(look), waitingFor: handOver.unproved(look) };
      default: {
        const { state, waitingFor } = await handOver.settle(this.#state, look);
        this.#state = state;
        return { temporary: "there", waitingFor };
      }
    }
  }

  async #enter(state: StartState): Promise<void> {
    const { options, places } = this.#start;
    switch (state.kind) {
      case "creating":
        options.report("the API server is ready");
        return;
      case "settling": {
        const { created, existed } = this.#creation;
        options.report(`created ${created} objects, ${existed} were there already`);
        return;
      }
      case "ending":
        options.report("handing over to the permanent control plane");
        this.#held = leasesOfTemporary(this.#start, this.#followed().view);
        await removeManifests(places);
        return;
      default:
        return;
    }
  }

  #failure(why: StartFailure, waitingFor: readonly string[]): unknown {
    const failure = this.#following?.view.live.failure ?? this.#refusal;
    switch (why) {
      case "refused":
        return failure;
      case "lost":
        return new MendError("api-unreachable", "the API server that answered at first does so no longer", {
          hint: "start again: it will bring up a temporary one",
          cause: failure,
        });
      case "late": {
        const seconds = Math.round(this.#start.options.timeoutMs / 1000);
        return new MendError(
          "timeout",
          `the control plane did not come up in ${seconds} s; waiting for:\n${waitingFor.join("\n")}`,
          { hint: "mend what is in the way and start again, or allow it more time" },
        );
      }
    }
  }
}
