/**
 * What becomes of a checkpoint: a pure transition over what was seen. Times are milliseconds on any clock that only goes forward.
 *
 * It differs from bootkube's in four things. What the runtime cannot report changes nothing. A parent that the kubelet is
 * at work on is waited for, not fought. Giving way to a parent has an end: a parent that has not come to run by then
 * makes way for the checkpoint again, and the next attempt comes later. Nothing is removed but on the word of an API
 * server that continues answering after all that ran of it has ended: the word may have come from the very pod, and then
 * there would be nobody left.
 */

/** What was seen of one checkpoint and its parents. */
export interface Observed {
  /** Of the API server: whether it can be asked, and whether it wants a parent on this node. */
  readonly api: "unavailable" | "scheduled" | "absent";
  /** When the API server last said anything: on a connection that nobody answers any more nothing happens either. */
  readonly heardAt: number;
  /**
   * Of the container runtime: `absent`, no sandbox; `created`, a sandbox and no container yet; `starting`, containers
   * that do not all run, or not for long; `running`, all of them, for a while; `unknown`, it cannot be asked.
   */
  readonly parent: "absent" | "created" | "starting" | "running" | "unknown";
  /** Which parent that is: its uid. Empty when absent. */
  readonly parentUid: string;
  /** The same of the checkpoint as a static pod. */
  readonly checkpoint: "absent" | "starting" | "running";
  /** Whether something that ran for it has not ended yet, parent or checkpoint, and so may be what the API server's word came from. */
  readonly lingers: boolean;
  /** Whether the checkpoint is an API server, and the one that answers is of this node. */
  readonly servesApi: boolean;
  /** How many generations could be run. */
  readonly generations: number;
  /** Whether it is the agent's own checkpoint. */
  readonly isSelf: boolean;
}

/** How often the checkpoint gave way to the same parent in vain. */
export interface Attempts {
  readonly uid: string;
  readonly count: number;
}

export type State =
  /** A parent is known, and there is no copy of it. */
  | { readonly kind: "none" }
  | { readonly kind: "inactive" }
  /** The parent should run and does not: the kubelet has until then. */
  | { readonly kind: "waiting"; readonly until: number }
  | { readonly kind: "inactive-grace"; readonly until: number; readonly rounds: number }
  /** `generation` counts from the newest, 0. No hand-over to the same parent before `retryAt`. */
  | {
      readonly kind: "active";
      readonly since: number;
      readonly generation: number;
      readonly attempts: Attempts;
      readonly retryAt: number;
      readonly rounds: number;
    }
  | { readonly kind: "active-grace"; readonly until: number; readonly generation: number; readonly rounds: number }
  /** Stopped for a parent that has until then to run. */
  | { readonly kind: "handing-over"; readonly until: number; readonly generation: number; readonly attempts: Attempts }
  /** The agent's own checkpoint: always active. */
  | { readonly kind: "self" }
  | { readonly kind: "self-grace"; readonly until: number }
  | { readonly kind: "remove" };

/** All in milliseconds. */
export interface Patience {
  /** How long an unscheduled parent's checkpoint is kept: `--checkpoint-grace-period`; never for less than `ended`. */
  readonly grace: number;
  /** How long after the last of it has ended an API server must answer, before it is removed. */
  readonly ended: number;
  /** How long a parent that the API server wants here may be absent, and how long one that starts may take where there is no API server. */
  readonly missing: number;
  readonly starting: number;
  /** How long a hand-over may take. */
  readonly handOver: number;
  /** ... and from the third attempt on, when the kubelet's own pauses between restarts have grown to five minutes. */
  readonly lateHandOver: number;
  /** Between a hand-over in vain and the next; doubles each time, up to `longestRetry`. */
  readonly retry: number;
  readonly longestRetry: number;
  /** How long an active checkpoint may take to run before an earlier generation is tried. */
  readonly generation: number;
}

export const PATIENCE: Patience = {
  grace: 60_000,
  ended: 15_000,
  missing: 30_000,
  starting: 60_000,
  handOver: 120_000,
  lateHandOver: 330_000,
  retry: 60_000,
  longestRetry: 3_600_000,
  generation: 180_000,
};

export const NO_ATTEMPTS: Attempts = { uid: "", count: 0 };

/** Where a checkpoint that was found on disk continues from. */
export function foundState(isActive: boolean, isSelf: boolean, now: number): State {
  if (isSelf) return { kind: "self" };
  return isActive ? active(now, 0) : { kind: "inactive" };
}

/** Whether its manifest is to be where the kubelet runs it. */
export function isRun(state: State): boolean {
  switch (state.kind) {
    case "active":
    case "active-grace":
    case "self":
    case "self-grace":
      return true;
    case "none":
    case "inactive":
    case "waiting":
    case "inactive-grace":
    case "handing-over":
    case "remove":
      return false;
  }
}

/**
 * When the state may next change by time alone; undefined where it does not: a time that has passed in vain waits for
 * something else to be seen.
 */
export function deadlineOf(state: State, now: number, patience: Patience): number | undefined {
  switch (state.kind) {
    case "waiting":
    case "inactive-grace":
    case "active-grace":
    case "handing-over":
    case "self-grace":
      return state.until > now ? state.until : undefined;
    case "active":
      return [state.since + patience.generation, state.retryAt].filter((time) => time > now).sort((a, b) => a - b)[0];
    case "none":
    case "inactive":
    case "self":
    case "remove":
      return undefined;
  }
}

/** Whether only a fresh word of the API server's is missing. */
export function awaitsConfirmation(state: State, now: number): boolean {
  return state.kind === "inactive-grace" && now >= state.until;
}

export function next(state: State, seen: Observed, now: number, patience: Patience): State {
  if (state.kind === "remove") return state;
  if (seen.generations === 0) return withoutCopies(state, seen);
  if (seen.isSelf) return whileSelf(state, now, seen, patience);
  switch (state.kind) {
    case "self":
    case "self-grace":
      return whileActive(active(now, 0), seen, now, patience); // no longer this agent's own
    case "none":
    case "inactive":
      return whileInactive(seen, now, patience);
    case "waiting":
      return whileWaiting(state, seen, now, patience);
    case "inactive-grace":
      return whileInactiveGrace(state, seen, now, patience);
    case "active":
      return whileActive(state, seen, now, patience);
    case "active-grace":
      return whileActiveGrace(state, seen, now, patience);
    case "handing-over":
      return whileHandingOver(state, seen, now, patience);
  }
}

/** Nothing on disk can be run: what is damaged there stays all the same, as long as no API server says that nobody wants it. */
function withoutCopies(state: State, seen: Observed): State {
  if (seen.api === "absent" && seen.parent !== "running" && seen.parent !== "starting") return { kind: "remove" };
  return state.kind === "self" || state.kind === "self-grace" ? state : { kind: "none" };
}

function whileInactive(seen: Observed, now: number, patience: Patience): State {
  if (seen.api === "absent") return grace(now, patience, 0);
  switch (seen.parent) {
    case "running":
    case "unknown":
      return { kind: "inactive" };
    case "absent":
      return seen.api === "unavailable" ? active(now, 0) : { kind: "waiting", until: now + patience.missing };
    case "created":
    case "starting":
      return seen.api === "unavailable" ? { kind: "waiting", until: now + patience.starting } : { kind: "inactive" };
  }
}

function whileWaiting(
  state: Extract<State, { kind: "waiting" }>,
  seen: Observed,
  now: number,
  patience: Patience,
): State {
  if (seen.api === "absent") return grace(now, patience, 0);
  switch (seen.parent) {
    case "running":
      return { kind: "inactive" };
    case "unknown":
      return state;
    case "absent":
      return seen.api === "unavailable" || now >= state.until ? active(now, 0) : state;
    case "created":
    case "starting":
      // With an API server about it is the kubelet's business.
      if (seen.api === "scheduled") return { kind: "inactive" };
      return now >= state.until ? active(now, 0) : state;
  }
}

function whileInactiveGrace(
  state: Extract<State, { kind: "inactive-grace" }>,
  seen: Observed,
  now: number,
  patience: Patience,
): State {
  switch (seen.api) {
    case "absent":
      if (seen.lingers) return { ...state, until: Math.max(state.until, now + patience.ended) };
      return now >= state.until && seen.heardAt >= state.until ? { kind: "remove" } : state;
    case "scheduled":
      return whileInactive(seen, now, patience);
    case "unavailable":
      // Its removal was never confirmed: whoever said so may have been this very checkpoint, or the parent, of which
      // the kubelet may have left an empty sandbox.
      if (seen.parent === "created" || seen.parent === "starting") return whileInactive(seen, now, patience);
      return seen.parent === "absent" ? active(now, state.rounds) : state;
  }
}

function whileActive(
  state: Extract<State, { kind: "active" }>,
  seen: Observed,
  now: number,
  patience: Patience,
): State {
  const { generation, rounds } = state;
  if (seen.api === "absent") {
    return { kind: "active-grace", until: now + graceOf(patience, rounds), generation, rounds };
  }
  const fresh = seen.parentUid !== state.attempts.uid;
  const mayTry = fresh || now >= state.retryAt;
  switch (seen.parent) {
    case "running":
      return mayTry ? handOver(state, seen, now, patience) : state;
    case "starting":
      // With no API server the checkpoint is all there is: a parent that comes and goes is not worth it.
      if (seen.api === "scheduled" && mayTry) return handOver(state, seen, now, patience);
      return orEarlierGeneration(state, seen, now, patience);
    case "absent":
    case "created":
      return orEarlierGeneration(state, seen, now, patience);
    case "unknown":
      return state;
  }
}

/** An active checkpoint that does not come to run while there is no API server: what ran before it may. */
function orEarlierGeneration(
  state: Extract<State, { kind: "active" }>,
  seen: Observed,
  now: number,
  patience: Patience,
): State {
  if (seen.checkpoint === "running" || seen.api !== "unavailable") return state;
  if (now < state.since + patience.generation || seen.generations < 2) return state;
  return { ...state, since: now, generation: (state.generation + 1) % seen.generations };
}

function handOver(state: Extract<State, { kind: "active" }>, seen: Observed, now: number, patience: Patience): State {
  const count = seen.parentUid === state.attempts.uid ? state.attempts.count + 1 : 1;
  const bound = count > 2 ? patience.lateHandOver : patience.handOver;
  const attempts = { uid: seen.parentUid, count };
  return { kind: "handing-over", until: now + bound, generation: state.generation, attempts };
}

function whileActiveGrace(
  state: Extract<State, { kind: "active-grace" }>,
  seen: Observed,
  now: number,
  patience: Patience,
): State {
  const { generation, rounds } = state;
  const back: State = { ...active(now, rounds), generation };
  switch (seen.api) {
    case "absent":
      // It is what says so: without it nobody could ever make it a parent again.
      if (seen.servesApi) return { ...state, until: Math.max(state.until, now + patience.ended) };
      return now >= state.until ? grace(now, patience, rounds + 1) : state;
    case "scheduled":
      return whileActive(back, seen, now, patience);
    case "unavailable":
      return seen.parent === "running" ? whileActive(back, seen, now, patience) : back;
  }
}

function whileHandingOver(
  state: Extract<State, { kind: "handing-over" }>,
  seen: Observed,
  now: number,
  patience: Patience,
): State {
  if (seen.api === "absent") return grace(now, patience, 0);
  if (seen.parent === "running") return { kind: "inactive" };
  const gone = seen.parent === "absent" && seen.api === "unavailable";
  if (!gone && now < state.until) return state;
  if (seen.parent === "unknown") return state;
  const pause = Math.min(patience.retry * 2 ** (state.attempts.count - 1), patience.longestRetry);
  return { ...active(now, 0), generation: state.generation, attempts: state.attempts, retryAt: now + pause };
}

function whileSelf(state: State, now: number, seen: Observed, patience: Patience): State {
  if (seen.api !== "absent") return { kind: "self" };
  const until = state.kind === "self-grace" ? state.until : now + patience.grace;
  return now >= until ? { kind: "remove" } : { kind: "self-grace", until };
}

function active(now: number, rounds: number): Extract<State, { kind: "active" }> {
  return { kind: "active", since: now, generation: 0, attempts: NO_ATTEMPTS, retryAt: 0, rounds };
}

function grace(now: number, patience: Patience, rounds: number): State {
  return { kind: "inactive-grace", until: now + Math.max(patience.grace, patience.ended), rounds };
}

/** Twice as long each time that stopping the checkpoint took the API server away. */
function graceOf(patience: Patience, rounds: number): number {
  return patience.grace * 2 ** Math.min(rounds, 6);
}
