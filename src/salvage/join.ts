/**
 * Continues a database with entries of any survivor's log. The way is found from the end backwards: from the last entry
 * of a fragment to the one before it, and on in any fragment that has that entry, until the database's own index is
 * reached or an entry is missing.
 */
import { defined } from "../errors/defined.ts";
import { committedEnd, type HeldFragment, type LogPosition, type Survivor, termAt } from "./survivor.ts";

/** Entries of one fragment, both ends included. */
export interface LogPart {
  readonly fragment: HeldFragment;
  readonly from: number;
  readonly to: number;
}

/** A database's index, and its entry's term where that is known. */
export interface JoinBase {
  readonly index: number;
  readonly term: number | undefined;
  /** Whose database it is; undefined for the empty one. */
  readonly survivor: Survivor | undefined;
}

export interface Join {
  /** Ascending from the entry behind the base, without gaps. Empty where the database is all there is. */
  readonly parts: readonly LogPart[];
  /** Entries of which it is not proved that they follow the one before: the log was damaged right there, and the term changes. */
  readonly unproved: readonly number[];
}

/** Why a fragment's end cannot be reached. */
export type Broken =
  /** The entry before `at` is in no log. */
  | { readonly kind: "hole"; readonly at: number }
  /** It belongs to a log that a later leader overwrote: another entry was committed at this index or before. */
  | { readonly kind: "superseded"; readonly at: number };

export function isJoin(way: Join | Broken): way is Join {
  return "parts" in way;
}

/** The way from the base to the last entry of `end`. */
export function joinTo(end: HeldFragment, base: JoinBase, fragments: readonly HeldFragment[]): Join | Broken {
  const parts: LogPart[] = [];
  const unproved: number[] = [];
  let at: LogPosition = { index: end.last, term: defined(end.entries.at(-1)).term };
  for (;;) {
    const fragment = reachingFarthest(fragments, at) ?? end;
    if (fragment.first <= base.index) {
      const term = termAt(fragment, base.index);
      if (base.term !== undefined && term !== base.term) return { kind: "superseded", at: base.index };
      parts.unshift({ fragment, from: base.index + 1, to: at.index });
      return { parts, unproved };
    }
    const first = { index: fragment.first, term: defined(fragment.entries[0]).term };
    if (defined(reachingFarthest(fragments, first)).first < first.index) {
      // Another fragment has this very entry and what is before it.
      if (at.index > first.index) parts.unshift({ fragment, from: first.index + 1, to: at.index });
      at = first;
      continue;
    }
    parts.unshift({ fragment, from: first.index, to: at.index });
    const before = predecessor(fragment, base, fragments);
    if (before === undefined) return { kind: "hole", at: first.index };
    if (before.term !== undefined && before.term > first.term) return { kind: "superseded", at: first.index - 1 };
    if (!before.isProved) unproved.unshift(first.index);
    if (before.isBase) return { parts, unproved };
    at = { index: first.index - 1, term: before.term };
  }
}

/** The fragment that has this entry and begins the earliest. */
function reachingFarthest(fragments: readonly HeldFragment[], at: LogPosition): HeldFragment | undefined {
  let best: HeldFragment | undefined;
  for (const fragment of fragments) {
    if (termAt(fragment, at.index) !== at.term) continue;
    if (best === undefined || fragment.first < best.first) best = fragment;
  }
  return best;
}

type Predecessor =
  | { readonly isBase: true; readonly term: number | undefined; readonly isProved: boolean }
  | { readonly isBase: false; readonly term: number; readonly isProved: boolean };

/** The entry before a fragment's first one, where no log has both; undefined where it is missing. */
function predecessor(
  fragment: HeldFragment,
  base: JoinBase,
  fragments: readonly HeldFragment[],
): Predecessor | undefined {
  const index = fragment.first - 1;
  const { term } = defined(fragment.entries[0]);
  const isCommitted = committedEnd(fragment) > 0;
  const least = leastTermBefore(fragment, fragments);
  if (index === base.index) {
    if (base.term !== undefined && base.term < least) return undefined;
    const isProved = index === 0 || isCommitted || base.term === term || base.survivor === fragment.survivor;
    return { isBase: true, term: base.term, isProved };
  }
  const holders = fragments.filter((other) => termAt(other, index) !== undefined);
  // A leader's entries follow each other: an entry of the same term before it is the one.
  if (holders.some((other) => termAt(other, index) === term)) return { isBase: false, term, isProved: true };
  const mark = fragment.survivor.log.marks.find((each) => each.index === index);
  if (mark !== undefined && holders.some((other) => termAt(other, index) === mark.term)) {
    return { isBase: false, term: mark.term, isProved: true };
  }
  const earlier = holders.filter(
    (other) => defined(termAt(other, index)) < term && defined(termAt(other, index)) >= least,
  );
  const committed = earlier.find((other) => committedEnd(other) >= index);
  const isOwn = committed?.survivor === fragment.survivor;
  if (committed !== undefined) {
    return { isBase: false, term: defined(termAt(committed, index)), isProved: isCommitted || isOwn };
  }
  const [latest] = earlier.map((other) => defined(termAt(other, index))).sort((a, b) => b - a);
  return latest === undefined ? undefined : { isBase: false, term: latest, isProved: false };
}

/**
 * The term that the entry before a fragment's first one has at least. Terms only rise along a log, so it is not below
 * that of what the same log, or what was committed, has before it; and where any log has an entry of the fragment's own
 * first term farther ahead, all in between are of that term, because one leader wrote them.
 */
function leastTermBefore(fragment: HeldFragment, fragments: readonly HeldFragment[]): number {
  const { first, survivor } = fragment;
  const { term } = defined(fragment.entries[0]);
  let least = 0;
  for (const other of fragments) {
    if (other.first >= first) continue;
    const end = Math.min(other.last, first - 1);
    const committed = Math.min(committedEnd(other), end);
    if (committed >= other.first) least = Math.max(least, defined(termAt(other, committed)));
    if (other.survivor === survivor && other.last < first) least = Math.max(least, defined(termAt(other, end)));
    if (other.entries.some((entry) => entry.index < first && entry.term === term)) least = Math.max(least, term);
  }
  return least;
}
