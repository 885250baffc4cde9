/**
 * How far a start has come: a pure transition over what was seen. Times are milliseconds since the epoch.
 *
 * A temporary API server comes up (`starting`), creates what the assets hold (`creating`), and waits until the
 * permanent control plane can take over (`settling`). Then the temporary one ends (`ending`), and the permanent one
 * proves that it does its work (`proving`). The caller does the work that belongs to a state, and reports what {@link
 * StartSeen.waitingFor} says.
 */

/** What was seen of the cluster and of this machine. */
export interface StartSeen {
  /**
   * The API server: `ready` for us; `young`, it answers and does not serve yet; `refusing`, it does not accept our
   * credential; `unreachable`. While watches follow it, `ready` means that all of them are connected.
   */
  readonly api: "ready" | "young" | "refusing" | "unreachable";
  /** Whether the work of the state is done: the objects were created. */
  readonly isCreated: boolean;
  /** Of the temporary pods: whether any of them is still there. */
  readonly temporary: "there" | "gone";
  /** What is in the way of the next state; undefined where it could not be judged. */
  readonly waitingFor: readonly string[] | undefined;
}

export type StartState =
  /** `refusedSince`: since when the API server has refused our credential. */
  | { readonly kind: "starting"; readonly refusedSince: number | undefined }
  | { readonly kind: "creating" }
  /** `silentSince`: since when the API server has not answered. */
  | {
      readonly kind: "settling";
      readonly since: number;
      readonly silentSince: number | undefined;
      readonly done: ReadonlySet<Chore>;
    }
  | { readonly kind: "ending"; readonly silentSince: number | undefined }
  | { readonly kind: "proving"; readonly silentSince: number | undefined }
  | { readonly kind: "done" }
  | { readonly kind: "failed"; readonly why: StartFailure };

/**
 * `refused`: the API server continues to refuse our credential. `lost`: it was there before the start and has gone away.
 * `late`: the time is up.
 */
export type StartFailure = "refused" | "lost" | "late";

/** What is done while the permanent control plane settles, beside what is done at every look. */
export type Chore =
  /** Leases that components of this machine held before the start are given up: nobody holds them any more. Done once. */
  | "release-dead-leases"
  /** A node whose machine this one has replaced is deleted, with its pods. */
  | "release-replaced-nodes"
  /** Pods of the control plane on nodes that give no sign of life are deleted. */
  | "release-stranded-pods";

export interface StartRules {
  /** When the time is up. */
  readonly deadline: number;
  /** Whether the temporary control plane has an API server: one that goes away comes back by its kubelet. */
  readonly ownsApi: boolean;
  /** How long an API server may refuse a credential before it is taken for another cluster's. */
  readonly refusal: number;
  /** How long an API server that was there before us may be silent. */
  readonly lost: number;
  /** Whoever holds a component's lease renews it every 2 s: after this it is not renewed by anybody. */
  readonly leaseSilence: number;
  /** A kubelet renews its lease every 10 s: after this each that lives has done so. */
  readonly nodeRenewal: number;
  /** After this without a renewed lease a node is taken for lost: more than the 40 s that the controller manager gives it. */
  readonly signOfLife: number;
}

export const START_RULES: Omit<StartRules, "deadline" | "ownsApi"> = {
  refusal: 10_000,
  lost: 30_000,
  leaseSilence: 5000,
  nodeRenewal: 15_000,
  signOfLife: 60_000,
};

export const STARTING: StartState = { kind: "starting", refusedSince: undefined };

export function isEnded(state: StartState): state is Extract<StartState, { kind: "done" | "failed" }> {
  return state.kind === "done" || state.kind === "failed";
}

/** Whether every node that lives has renewed its lease since the start looked: before, a silent node proves nothing. */
export function knowsLivingNodes(state: StartState, now: number, rules: StartRules): boolean {
  return state.kind === "settling" && now - state.since > rules.nodeRenewal;
}

/** What to do at this look. */
export function choresOf(state: StartState, now: number, rules: StartRules): Chore[] {
  if (state.kind !== "settling") return [];
  const age = now - state.since;
  const chores: Chore[] = [];
  if (age > rules.leaseSilence && !state.done.has("release-dead-leases")) chores.push("release-dead-leases");
  if (age > rules.signOfLife) chores.push("release-stranded-pods");
  if (age > rules.nodeRenewal) chores.push("release-replaced-nodes");
  return chores;
}

/** After a chore that is done once. */
export function withChore(state: StartState, chore: Chore): StartState {
  return state.kind === "settling" ? { ...state, done: new Set([...state.done, chore]) } : state;
}

export function next(state: StartState, seen: StartSeen, now: number, rules: StartRules): StartState {
  switch (state.kind) {
    case "done":
    case "failed":
      return state;
    case "starting":
      return whileStarting(state, seen, now, rules);
    case "creating":
      return seen.isCreated ? { kind: "settling", since: now, silentSince: undefined, done: new Set() } : state;
    case "settling":
    case "ending":
    case "proving":
      return whileFollowing(state, seen, now, rules);
  }
}

function whileStarting(
  state: Extract<StartState, { kind: "starting" }>,
  seen: StartSeen,
  now: number,
  rules: StartRules,
): StartState {
  if (seen.api === "ready") return { kind: "creating" };
  // One that is young may refuse everybody until it has read who may do what.
  const refusedSince = seen.api === "refusing" ? (state.refusedSince ?? now) : undefined;
  if (refusedSince !== undefined && now - refusedSince >= rules.refusal) return failed("refused");
  return now > rules.deadline ? failed("late") : { kind: "starting", refusedSince };
}

function whileFollowing(
  state: Extract<StartState, { kind: "settling" | "ending" | "proving" }>,
  seen: StartSeen,
  now: number,
  rules: StartRules,
): StartState {
  if (seen.api !== "ready") {
    const silentSince = state.silentSince ?? now;
    if (now - silentSince > rules.lost) {
      if (seen.api === "refusing") return failed("refused");
      if (!rules.ownsApi) return failed("lost");
    }
    return now > rules.deadline ? failed("late") : { ...state, silentSince };
  }
  const heard = { ...state, silentSince: undefined };
  const isClear = seen.waitingFor?.length === 0;
  switch (heard.kind) {
    case "settling":
      if (isClear) return { kind: "ending", silentSince: undefined };
      break;
    case "ending":
      if (seen.waitingFor !== undefined && seen.temporary === "gone")
        return { kind: "proving", silentSince: undefined };
      break;
    case "proving":
      if (isClear && seen.temporary === "gone") return { kind: "done" };
      break;
  }
  return now > rules.deadline ? failed("late") : heard;
}

function failed(why: StartFailure): StartState {
  return { kind: "failed", why };
}
