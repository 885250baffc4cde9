/**
 * What a plan leaves behind: entries that were committed and that nobody has, entries behind a hole, and ends of logs
 * that a later leader did not take over.
 */
import { defined } from "../errors/defined.ts";
import { isJoin, type Join, type JoinBase, joinTo } from "./join.ts";
import { committedEnd, type HeldFragment, knownCommit, type LogPosition, type Survivor, termAt } from "./survivor.ts";

export interface Loss {
  /** Entries, both ends included. */
  readonly from: number;
  readonly to: number;
  /**
   * `missing`: no survivor has them. `behind-a-hole`: a survivor has them, but not those before. `unproved`: it is not
   * certain that the entry at `from` follows the one before it, so entries of its term may be missing there.
   * `superseded`: another entry was chosen, and these were never known to be committed.
   */
  readonly kind: "missing" | "behind-a-hole" | "unproved" | "superseded";
  /** Whether they were committed, as far as anything says it: writes that a client may have been told of. */
  readonly isCommitted: boolean;
  /** Who has them. */
  readonly survivor: Survivor | undefined;
}

/** In ascending order. */
export function findLosses(
  survivors: readonly Survivor[],
  fragments: readonly HeldFragment[],
  join: Join,
  /** The term is 0 where it is not known. */
  { base, last }: { readonly base: number; readonly last: LogPosition },
): Loss[] {
  const commit = Math.max(0, ...survivors.map(knownCommit));
  const losses: Loss[] = join.unproved.map((index) => {
    return { from: index, to: index, kind: "unproved", isCommitted: index <= commit, survivor: undefined };
  });
  const termOn = (index: number): number | undefined => {
    const part = join.parts.find(({ from, to }) => from <= index && index <= to);
    return part === undefined ? undefined : termAt(part.fragment, index);
  };
  const held: Loss[] = [];
  for (const fragment of fragments) {
    let from = Math.max(fragment.first, base + 1);
    while (from <= fragment.last && termOn(from) === termAt(fragment, from)) from++;
    if (from > fragment.last) continue;
    // Terms only rise along a log: what is behind the end of the plan and of a lower term than that was never committed.
    const couldFollow = committedEnd(fragment) >= from || defined(fragment.entries.at(-1)).term >= last.term;
    const isBehind = from > last.index && couldFollow && isBehindHole(fragment, base, fragments);
    held.push({
      from,
      to: fragment.last,
      kind: isBehind ? "behind-a-hole" : "superseded",
      isCommitted: committedEnd(fragment) >= from || (isBehind && from <= commit),
      survivor: fragment.survivor,
    });
  }
  const missing = (from: number, to: number): void => {
    if (from <= to) losses.push({ from, to, kind: "missing", isCommitted: from <= commit, survivor: undefined });
  };
  let next = last.index + 1;
  for (const { from, to } of held.filter(({ kind }) => kind === "behind-a-hole").sort((a, b) => a.from - b.from)) {
    missing(next, from - 1);
    next = Math.max(next, to + 1);
  }
  missing(next, commit);
  return [...losses, ...held].sort((a, b) => a.from - b.from || a.to - b.to);
}

/** Whether what is missing before the fragment keeps it from being used, and not a later leader's entries. */
function isBehindHole(fragment: HeldFragment, base: number, fragments: readonly HeldFragment[]): boolean {
  const start: JoinBase = { index: base, term: undefined, survivor: undefined };
  const way = joinTo(fragment, start, fragments);
  return !isJoin(way) && way.kind === "hole";
}
