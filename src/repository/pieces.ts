/** Which links lead to a revision: one full and the deltas from it on, as few as there are. */
import { MendError } from "../errors/errors.ts";
import type { DeltaHead, FullHead, HashMark, Head } from "./head.ts";
import { isKeyspaceHead, readTimeline } from "./timeline.ts";

export interface Pieces {
  readonly history: number;
  /** The one that is restored. */
  readonly revision: number;
  readonly full: FullHead;
  /** In the order in which they are applied; none where the full itself holds the revision. */
  readonly deltas: readonly DeltaHead[];
}

/**
 * All ways to a revision, the one with the least to read first: where a full is damaged, an older one with more deltas
 * may still lead there. Throws `moment-not-covered`.
 */
export function findPieces(heads: readonly Head[], revision: number, history: number): Pieces[] {
  const own = heads.filter(isKeyspaceHead).filter((head) => head.history === history);
  const fulls = own.filter((head) => head.kind === "full").toSorted((a, b) => b.revisions.to - a.revisions.to);
  const deltas = own.filter((head) => head.kind === "delta");
  const ways: Pieces[] = [];
  for (const full of fulls) {
    if (full.revisions.to > revision) continue;
    const found = deltasBetween(deltas, full.revisions.to, revision);
    if (found !== undefined) ways.push({ history, revision, full, deltas: found });
  }
  // A full shows what it still held of the past: the smallest that does is read.
  for (const full of fulls.toReversed()) {
    if (full.revisions.from <= revision && revision < full.revisions.to)
      ways.push({ history, revision, full, deltas: [] });
  }
  if (ways.length > 0) return ways;
  const spans = readTimeline(heads).spans.filter((span) => span.history === history);
  const covered = spans.map(({ from, to }) => `${from} to ${to}`).join(", ");
  throw new MendError("moment-not-covered", `the repository cannot restore revision ${revision}`, {
    hint: covered === "" ? "take a full with kubemend backup now" : `it covers revisions ${covered}`,
  });
}

/** The deltas that lead from one revision to another, or undefined where there is a gap. */
function deltasBetween(deltas: readonly DeltaHead[], from: number, to: number): DeltaHead[] | undefined {
  const taken: DeltaHead[] = [];
  let reached = from;
  for (const delta of deltas.toSorted((a, b) => a.revisions.from - b.revisions.from || a.sequence - b.sequence)) {
    if (reached >= to) break;
    if (delta.revisions.to <= reached) continue;
    if (delta.revisions.from > reached + 1) return undefined;
    taken.push(delta);
    reached = delta.revisions.to;
  }
  return reached >= to ? taken : undefined;
}

/** The newest HashKV that etcd gave at this revision or before, where what is restored can still compute it. */
export function newestHash(heads: readonly Head[], { history, revision, full }: Pieces): HashMark | undefined {
  let best: HashMark | undefined;
  for (const head of heads.filter(isKeyspaceHead)) {
    if (head.history !== history) continue;
    for (const mark of head.hashes) {
      const isComputable = mark.revision <= revision && mark.revision >= full.compactRevision;
      if (!isComputable || mark.compactRevision < full.compactRevision) continue;
      if (best === undefined || mark.revision >= best.revision) best = mark;
    }
  }
  return best;
}
