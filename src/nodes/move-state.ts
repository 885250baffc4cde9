/**
 * How far the move of one replica to another node has come: a pure transition over what was seen. Times are milliseconds since the epoch.
 *
 * Its owner has to stand still (`preparing`), gets one replica more (`surging`), which has to become ready
 * (`awaiting`). Then the old replica is removed, or the new one where the scheduler put it elsewhere (`removing`), and
 * the owner gets the number back that it had (`closing`). The caller makes sure that the extra replica is gone at the
 * end, however the move ends.
 */

export type MoveState =
  /** The owner may still be busy with the move before, until then. */
  | { readonly kind: "preparing"; readonly until: number }
  | { readonly kind: "surging" }
  /** The extra replica has until then. */
  | { readonly kind: "awaiting"; readonly until: number }
  /** `bars`: why the owner is left alone from now on; undefined where the old replica is the one that is removed. */
  | { readonly kind: "removing"; readonly bars: string | undefined; readonly until: number }
  | { readonly kind: "closing"; readonly bars: string | undefined; readonly until: number }
  | { readonly kind: "moved" }
  /** Its controller removed another replica than the one that was to go, which it may do before it has seen our mark. */
  | { readonly kind: "missed" }
  /** The owner is left alone from now on, for that reason. */
  | { readonly kind: "barred"; readonly reason: string };

/** Why an owner that does not stand still is left alone. */
export const UNSTEADY = "it is being rolled out, is paused, or lacks pods";

export interface MoveSeen {
  /** Of the owner: `steady`, all its replicas are there; `unsteady`; or why it must not be touched. */
  readonly owner: "steady" | "unsteady" | { readonly reason: string };
  /** Whether the extra replica was asked for: `contended` where somebody else has scaled the owner. */
  readonly surge: "unasked" | "begun" | "contended";
  /** The extra replica: not ready yet; ready where it should be; ready on another node. */
  readonly newcomer: "missing" | "arrived" | { readonly elsewhere: string };
  /** Of the request to remove a replica; `refused`: its budget does not allow it. */
  readonly removal: "done" | "refused" | { readonly failed: string } | { readonly undecided: string };
  /** Whether the owner has the replicas that it had, and all of them serve. */
  readonly isSettled: boolean;
  /** Whether the replica that was to go is still there. */
  readonly stays: boolean;
}

/** All in milliseconds. */
export interface MovePatience {
  /** How long an owner may take to stand still after a move. */
  readonly steady: number;
  /** How long one replica may take to become ready. */
  readonly ready: number;
  /** How long a removal is tried again that a budget refuses, and how long the owner may take to have what it had. */
  readonly budget: number;
}

export const MOVE_PATIENCE: Omit<MovePatience, "ready"> = { steady: 60_000, budget: 30_000 };

export function preparing(now: number, patience: MovePatience): MoveState {
  return { kind: "preparing", until: now + patience.steady };
}

export function next(state: MoveState, seen: MoveSeen, now: number, patience: MovePatience): MoveState {
  switch (state.kind) {
    case "preparing":
      if (typeof seen.owner === "object") return barred(seen.owner.reason);
      if (seen.owner === "steady") return { kind: "surging" };
      return now >= state.until ? barred(UNSTEADY) : state;
    case "surging":
      if (seen.surge === "contended") return barred("somebody else has scaled it");
      return seen.surge === "begun" ? { kind: "awaiting", until: now + patience.ready } : state;
    case "awaiting": {
      if (seen.newcomer === "missing")
        return now >= state.until ? barred("its extra replica did not become ready in time") : state;
      const bars =
        seen.newcomer === "arrived" ? undefined : `the scheduler puts its pods on "${seen.newcomer.elsewhere}"`;
      return { kind: "removing", bars, until: now + patience.budget };
    }
    case "removing":
      return whileRemoving(state, seen, now, patience);
    case "closing":
      if (!seen.isSettled && now < state.until) return state;
      if (state.bars !== undefined) return barred(state.bars);
      return seen.stays ? { kind: "missed" } : { kind: "moved" };
    case "moved":
    case "missed":
    case "barred":
      return state;
  }
}

function whileRemoving(
  state: Extract<MoveState, { kind: "removing" }>,
  { removal }: MoveSeen,
  now: number,
  patience: MovePatience,
): MoveState {
  if (removal === "done") return { kind: "closing", bars: state.bars, until: now + patience.budget };
  if (removal === "refused") return now > state.until ? barred("its budget does not let the old replica go") : state;
  if ("failed" in removal) return barred(`its old replica cannot be evicted: ${removal.failed}`);
  return now > state.until ? barred(`its old replica cannot be evicted: ${removal.undecided}`) : state;
}

function barred(reason: string): MoveState {
  return { kind: "barred", reason };
}
