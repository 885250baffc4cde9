/** What `backup prune` removes: never a link that a moment of the kept span needs. */
import { defined } from "../errors/defined.ts";
import type { FullHead, Head } from "./head.ts";
import { chooseKept, type KeepPolicy } from "./keep.ts";
import { isKeyspaceHead } from "./timeline.ts";

export interface PrunePlan {
  /** Numbers of the links that stay, each with why. */
  readonly kept: ReadonlyMap<number, readonly string[]>;
  /** Heads of those that go, ascending. */
  readonly removed: readonly Head[];
  /** From this link on everything stays: every moment since its full can be restored. */
  readonly continuousFrom: number;
}

/** `heads` in the order of their numbers. Without a full nothing goes. */
export function planPrune(heads: readonly Head[], policy: KeepPolicy): PrunePlan {
  const fulls = heads.filter((head) => head.kind === "full");
  if (fulls.length === 0) {
    return { kept: new Map(heads.map((head) => [head.sequence, ["no full"]])), removed: [], continuousFrom: 0 };
  }
  const dated = fulls.map((full) => ({ sequence: full.sequence, time: timeOf(full) }));
  const kept = new Map<number, string[]>(chooseKept(dated, policy));
  const keep = (sequence: number, reason: string): void => {
    const reasons = kept.get(sequence);
    if (reasons === undefined) kept.set(sequence, [reason]);
    else if (!reasons.includes(reason)) reasons.push(reason);
  };
  const base = baseOfSpan(fulls, policy.within);
  const continuousFrom = firstNeeded(heads, base);
  for (const head of heads) if (head.sequence >= continuousFrom) keep(head.sequence, "span");
  keep(base.sequence, "span");
  for (const { kind, sequence } of heads) if (kind === "rotation") keep(sequence, "keys");
  // The files of each node, as they were when each kept full was taken.
  for (const full of fulls.filter(({ sequence }) => kept.has(sequence))) {
    const newest = new Map<string, number>();
    for (const head of heads) {
      if (head.kind === "node" && head.sequence < full.sequence) newest.set(head.node, head.sequence);
    }
    for (const sequence of newest.values()) keep(sequence, "node files");
  }
  return { kept, removed: heads.filter((head) => !kept.has(head.sequence)), continuousFrom };
}

function timeOf(full: FullHead): number {
  return Date.parse(full.times?.to ?? full.written);
}

/** The full from which the kept span begins: the newest that is as old as the span is long, else the oldest. */
function baseOfSpan(fulls: readonly FullHead[], within: number | undefined): FullHead {
  const byTime = fulls.toSorted((a, b) => timeOf(a) - timeOf(b) || a.sequence - b.sequence);
  const newest = defined(byTime.at(-1));
  if (within === undefined) return newest;
  const begin = timeOf(newest) - within;
  return byTime.findLast((full) => timeOf(full) <= begin) ?? defined(byTime[0]);
}

/** The first link that the span from `base` on needs: deltas that continued while the full was taken have lower numbers than it. */
function firstNeeded(heads: readonly Head[], base: FullHead): number {
  let first = base.sequence;
  for (const head of heads.filter(isKeyspaceHead)) {
    if (head.kind !== "delta" || head.history !== base.history || head.sequence > base.sequence) continue;
    if (head.revisions.to > base.revisions.to) first = Math.min(first, head.sequence);
  }
  return first;
}

/** Neighbouring numbers as ranges. */
export function rangesOf(sequences: readonly number[]): { from: number; to: number }[] {
  const ranges: { from: number; to: number }[] = [];
  for (const sequence of sequences.toSorted((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last?.to === sequence - 1) last.to = sequence;
    else ranges.push({ from: sequence, to: sequence });
  }
  return ranges;
}
