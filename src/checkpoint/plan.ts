/**
 * From states to what is done on disk, in order: what runs wrongly ends, then what should run starts, then what is over
 * goes; the agent itself is last.
 */

import { defined } from "../errors/defined.ts";
import { namespacedName } from "../kube/names.ts";
import type { CheckpointId, Generation } from "./checkpoint.ts";
import type { Seen } from "./observe.ts";
import { isRun, next, type Patience, type State } from "./state.ts";

/** A checkpoint in the kubelet's directory. */
export interface ActiveFile {
  readonly path: string;
  readonly id: CheckpointId;
  /** `NAMESPACE/NAME` of the pod in it. */
  readonly pod: string;
  readonly fingerprint: string;
  /** Milliseconds since the epoch. */
  readonly modified: number;
}

export type Action =
  | { readonly act: "stop"; readonly id: CheckpointId; readonly path: string }
  | { readonly act: "start"; readonly id: CheckpointId; readonly generation: Generation }
  /** Everything of it: manifests, generations, secrets. */
  | { readonly act: "remove"; readonly id: CheckpointId };

export interface Transition {
  readonly id: CheckpointId;
  readonly from: State["kind"];
  readonly to: State["kind"];
  readonly seen: Seen;
}

export interface Step {
  readonly states: ReadonlyMap<CheckpointId, State>;
  readonly transitions: readonly Transition[];
}

/**
 * Moves every checkpoint on. When the agent itself is to go, so is all that it made; but as long as one of its
 * checkpoints stands in for a parent, it stays.
 */
export function step(
  states: ReadonlyMap<CheckpointId, State>,
  seen: readonly Seen[],
  now: number,
  patience: Patience,
): Step {
  const moved = new Map<CheckpointId, State>();
  for (const each of seen) {
    moved.set(each.id, next(states.get(each.id) ?? { kind: "none" }, each.observed, now, patience));
  }
  const leaving = seen.filter(({ id, observed }) => observed.isSelf && moved.get(id)?.kind === "remove");
  if (leaving.length > 0) {
    const isNeeded = seen.some(({ id, observed }) => !observed.isSelf && isStandIn(defined(moved.get(id))));
    if (isNeeded) for (const { id } of leaving) moved.set(id, { kind: "self-grace", until: now });
    else for (const id of moved.keys()) moved.set(id, { kind: "remove" });
  }
  const transitions = seen.flatMap((each) => {
    const from = states.get(each.id)?.kind ?? "none";
    const to = defined(moved.get(each.id)).kind;
    return from === to ? [] : [{ id: each.id, from, to, seen: each }];
  });
  return { states: moved, transitions };
}

function isStandIn(state: State): boolean {
  return isRun(state) || state.kind === "handing-over" || (state.kind === "inactive-grace" && state.rounds > 0);
}

/** The generation that a checkpoint in this state runs: the newest, but where it did not come to run. */
export function generationToRun(state: State, generations: readonly Generation[]): Generation | undefined {
  const index = state.kind === "active" || state.kind === "active-grace" ? state.generation : 0;
  return generations[Math.min(index, generations.length - 1)];
}

export function plan(
  states: ReadonlyMap<CheckpointId, State>,
  generations: ReadonlyMap<CheckpointId, readonly Generation[]>,
  files: readonly ActiveFile[],
  selfIds: ReadonlySet<CheckpointId>,
): Action[] {
  const stops: Action[] = [];
  const starts: Action[] = [];
  const removes: Action[] = [];
  for (const [id, state] of [...states].sort(([a], [b]) => order(a, b, selfIds))) {
    const mine = files.filter((file) => file.id === id);
    if (state.kind === "remove") {
      removes.push({ act: "remove", id });
      continue;
    }
    const wanted = isRun(state) ? generationToRun(state, generations.get(id) ?? []) : undefined;
    const inPlace = mine.find((file) => wanted !== undefined && file.pod === namespacedName(wanted.manifest));
    for (const file of mine) if (file !== inPlace) stops.push({ act: "stop", id, path: file.path });
    if (wanted !== undefined && inPlace?.fingerprint !== wanted.fingerprint) {
      starts.push({ act: "start", id, generation: wanted });
    }
  }
  return [...stops, ...starts, ...removes];
}

function order(a: CheckpointId, b: CheckpointId, selfIds: ReadonlySet<CheckpointId>): number {
  const rank = Number(selfIds.has(a)) - Number(selfIds.has(b));
  return rank !== 0 ? rank : a < b ? -1 : 1;
}
