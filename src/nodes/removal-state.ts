/**
 * What becomes of a pod that has to leave its node: a pure transition over what was seen. Times are milliseconds since the epoch.
 *
 * A pod is `queued` until a request may be sent, `asking` until it is answered, `refused` while a budget or a
 * terminating namespace does not let it go, and `terminating` until the watch no longer has it. `gone`, `skipped` and
 * `failed` are final, but for one case: a list that still has a pod that the watch reported as deleted. The caller
 * sends a request when the state becomes `asking`, and reports what {@link eventsOf} says.
 */
import type { TerminationDelay } from "./termination-delay.ts";

/** What the API server answered to the request. */
export type RemovalAnswer =
  | { readonly state: "accepted" | "gone" }
  /** Not now: a budget does not allow it, or the namespace is terminating and the pod is not yet. */
  | { readonly state: "refused"; readonly by: "budget" | "namespace"; readonly message: string }
  /** Nothing is decided: no answer, or one that the next attempt may not get again. */
  | { readonly state: "undecided"; readonly message: string; readonly isConnection: boolean }
  | { readonly state: "failed"; readonly message: string; readonly status: number };

/** What was seen of one pod. */
export interface RemovalSeen {
  /**
   * Of the watch: whether it has the pod. `overlong`: it has been terminating for longer than anybody waits for it.
   * `listed`: the watch no longer has it, and a list read afterwards does.
   */
  readonly pod: "present" | "absent" | "overlong" | "listed";
  /** To the request under way; undefined until it came. */
  readonly answer: RemovalAnswer | undefined;
  /**
   * The pod's budgets: `unknown` until they were read, `unreadable` where they never will be, `none`, or their versions
   * and whether each allows one more pod to go.
   */
  readonly budgets: "unknown" | "unreadable" | { readonly versions: string; readonly allow: boolean };
  /** Why the terminating pod is still there, where that is worth a report. */
  readonly delay: TerminationDelay["kind"] | undefined;
  /** Whether one more request may be sent now. */
  readonly mayAsk: boolean;
  /** Whether the time for the whole drain is over. */
  readonly isTimeUp: boolean;
}

/** What stays with a pod over all its requests. */
interface Tries {
  /** Requests sent. */
  readonly asked: number;
  /** Answers that decided nothing, not counting lost connections. */
  readonly undecided: number;
  /** Whether it was reported what refused it. */
  readonly isExplained: boolean;
}

export type RemovalFailure =
  | { readonly because: "answer"; readonly message: string }
  | { readonly because: "refused"; readonly message: string }
  | { readonly because: "timeout"; readonly wasTerminating: boolean }
  | { readonly because: "still-listed" };

export type RemovalState =
  /** `isReleased`: its budgets have changed and allow it to go, so that it takes one of the disruptions that they allow. */
  | { readonly kind: "queued"; readonly tryAt: number; readonly isReleased: boolean; readonly tries: Tries }
  | { readonly kind: "asking"; readonly tries: Tries }
  | {
      readonly kind: "refused";
      readonly by: "budget" | "namespace";
      readonly message: string;
      readonly tryAt: number;
      /** The versions of its budgets when they were first seen after the refusal. */
      readonly budgets: string | undefined;
      readonly tries: Tries;
    }
  /** `held` was reported last. */
  | { readonly kind: "terminating"; readonly held: TerminationDelay["kind"] | undefined }
  /** `isOurs`: it ended because the API server accepted a request of ours. */
  | { readonly kind: "gone"; readonly isOurs: boolean }
  | { readonly kind: "skipped" }
  | { readonly kind: "failed"; readonly failure: RemovalFailure };

export interface RemovalRules {
  /** The API server only checks the requests: what it accepts is as good as gone, and what it refuses has failed. */
  readonly isDryRun: boolean;
  /** How long to wait before a refused pod is asked for again, where its budgets cannot be watched, and where they can. */
  readonly retryBlind: number;
  readonly retryWatched: number;
  /** ... and where nothing was decided, or its budgets allow it at the first look. */
  readonly retryUndecided: number;
  /** After so many answers that decide nothing, the removal has failed. */
  readonly mostUndecided: number;
}

export const REMOVAL_RULES: RemovalRules = {
  isDryRun: false,
  retryBlind: 5000,
  retryWatched: 30_000,
  retryUndecided: 1000,
  mostUndecided: 5,
};

export const QUEUED: RemovalState = {
  kind: "queued",
  tryAt: 0,
  isReleased: false,
  tries: { asked: 0, undecided: 0, isExplained: false },
};

export function isFinal(state: RemovalState): state is Extract<RemovalState, { kind: "gone" | "skipped" | "failed" }> {
  return state.kind === "gone" || state.kind === "skipped" || state.kind === "failed";
}

/** When time alone may change the state; undefined where only news can. */
export function dueAt(state: RemovalState): number | undefined {
  return state.kind === "queued" || state.kind === "refused" ? state.tryAt : undefined;
}

/** Whether the disruption budgets of the pod matter: a refusal, or an answer that decided nothing, may have come from them. */
export function needsBudgets(state: RemovalState): boolean {
  switch (state.kind) {
    case "queued":
    case "asking":
      return state.tries.undecided > 0;
    case "refused":
      return state.by === "budget" || state.tries.undecided > 0;
    case "terminating":
    case "gone":
    case "skipped":
    case "failed":
      return false;
  }
}

export function next(state: RemovalState, seen: RemovalSeen, now: number, rules: RemovalRules): RemovalState {
  switch (state.kind) {
    case "skipped":
    case "failed":
      return state;
    case "gone":
      return seen.pod === "listed" ? { kind: "failed", failure: { because: "still-listed" } } : state;
    case "asking":
      return whileAsking(state.tries, seen, now, rules);
    case "terminating":
      return whileTerminating(state, seen);
    case "queued":
    case "refused":
      if (seen.pod === "absent") return { kind: "gone", isOurs: false };
      if (seen.isTimeUp) return timedOut(false);
      return state.kind === "queued" ? whileQueued(state, seen, now) : whileRefused(state, seen, now, rules);
  }
}

function whileQueued(state: Extract<RemovalState, { kind: "queued" }>, seen: RemovalSeen, now: number): RemovalState {
  return seen.mayAsk && state.tryAt <= now ? ask(state.tries) : state;
}

function whileAsking(tries: Tries, seen: RemovalSeen, now: number, rules: RemovalRules): RemovalState {
  const { answer } = seen;
  if (answer === undefined) return seen.isTimeUp ? timedOut(false) : { kind: "asking", tries };
  switch (answer.state) {
    case "accepted":
      if (rules.isDryRun) return { kind: "gone", isOurs: false };
      return whileTerminating({ kind: "terminating", held: undefined }, seen);
    case "gone":
      return { kind: "gone", isOurs: false };
    case "failed":
      return failed({ because: "answer", message: answer.message });
    case "refused": {
      const { by, message } = answer;
      if (rules.isDryRun) return failed({ because: "refused", message });
      if (seen.pod === "absent") return { kind: "gone", isOurs: false };
      if (seen.isTimeUp) return timedOut(false);
      const tryAt = now + (by === "namespace" ? rules.retryBlind : rules.retryWatched);
      const isExplained = tries.isExplained || by === "namespace";
      return { kind: "refused", by, message, tryAt, budgets: undefined, tries: { ...tries, isExplained } };
    }
    case "undecided": {
      // While nobody answers, the watches fail as well, and they decide how long that is waited for.
      const undecided = tries.undecided + (answer.isConnection ? 0 : 1);
      if (undecided >= rules.mostUndecided) return failed({ because: "answer", message: answer.message });
      if (seen.pod === "absent") return { kind: "gone", isOurs: false };
      if (seen.isTimeUp) return timedOut(false);
      const tryAt = now + rules.retryUndecided;
      return { kind: "queued", tryAt, isReleased: false, tries: { ...tries, undecided } };
    }
  }
}

/** Asked for again when each of its budgets has changed and allows one more, or when it is due. */
function whileRefused(
  state: Extract<RemovalState, { kind: "refused" }>,
  seen: RemovalSeen,
  now: number,
  rules: RemovalRules,
): RemovalState {
  const tries = seen.budgets === "unknown" ? state.tries : { ...state.tries, isExplained: true };
  if (seen.mayAsk && state.tryAt <= now) return ask(tries);
  if (seen.budgets === "unknown") return state;
  if (seen.budgets === "unreadable") return { ...state, tryAt: Math.min(state.tryAt, now + rules.retryBlind), tries };
  const { versions, allow } = seen.budgets;
  const first = state.budgets ?? versions;
  if (allow && versions !== first) return { kind: "queued", tryAt: 0, isReleased: true, tries };
  // They allow it since, or what is known of them is old.
  const isFirstLook = state.budgets === undefined;
  const tryAt = allow && isFirstLook ? Math.min(state.tryAt, now + rules.retryUndecided) : state.tryAt;
  return { ...state, tryAt, budgets: first, tries };
}

function whileTerminating(state: Extract<RemovalState, { kind: "terminating" }>, seen: RemovalSeen): RemovalState {
  if (seen.pod === "absent") return { kind: "gone", isOurs: true };
  if (seen.pod === "overlong") return { kind: "skipped" };
  if (seen.isTimeUp) return timedOut(true);
  return seen.delay === undefined ? state : { kind: "terminating", held: seen.delay };
}

function ask(tries: Tries): RemovalState {
  return { kind: "asking", tries: { ...tries, asked: tries.asked + 1 } };
}

function timedOut(wasTerminating: boolean): RemovalState {
  return failed({ because: "timeout", wasTerminating });
}

function failed(failure: RemovalFailure): RemovalState {
  return { kind: "failed", failure };
}

/**
 * `removing`: its first request is sent. `refused`: what protects it is known. `held`: it takes longer than it should,
 * for a new reason.
 */
export type RemovalEvent = "removing" | "refused" | "held" | "removed" | "skipped";

/** What a transition gives to report. */
export function eventsOf(from: RemovalState, to: RemovalState): RemovalEvent[] {
  const events: RemovalEvent[] = [];
  if (from.kind !== "asking" && to.kind === "asking" && to.tries.asked === 1) events.push("removing");
  if ("tries" in from && "tries" in to && !from.tries.isExplained && to.tries.isExplained) events.push("refused");
  if (to.kind === "terminating" && to.held !== undefined && (from.kind !== "terminating" || from.held !== to.held))
    events.push("held");
  if (from.kind !== "gone" && to.kind === "gone" && to.isOurs) events.push("removed");
  if (from.kind !== "skipped" && to.kind === "skipped") events.push("skipped");
  return events;
}
