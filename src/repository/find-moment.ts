/** The revision that was current at a time, as far as the repository knows. */
import { MendError } from "../errors/errors.ts";
import type { TimeMark } from "./delta.ts";
import type { DeltaHead, Head } from "./head.ts";
import { isKeyspaceHead, readTimeline, type Span } from "./timeline.ts";

/** Where a time lies: at `revision` unless `delta` has to be looked into. */
export interface TimePlace {
  readonly history: number;
  /** The newest revision that is known to be older than the time. */
  readonly revision: number;
  /** When that was known, in milliseconds. */
  readonly knownAt: number;
  /** The delta within which the time lies. */
  readonly delta: DeltaHead | undefined;
}

/**
 * Finds the link in which a time (milliseconds) lies. Throws `moment-not-covered` for a time before the first full,
 * after the last link, or in a gap. Where the cluster was restored in between, the history that was current then
 * counts.
 */
export function placeTime(heads: readonly Head[], time: number): TimePlace {
  const points = timePoints(heads);
  const at = points.findLastIndex((point) => point.time <= time);
  const before = points[at];
  if (before === undefined) throw notCovered(heads, time);
  if (before.time === time) return { ...before, delta: undefined };
  const next = points.find((point, i) => i > at && point.delta !== undefined && point.time > time);
  const { delta } = next ?? {};
  if (next === undefined || delta === undefined || next.history !== before.history) throw notCovered(heads, time);
  if (Date.parse(delta.times.from) > time || delta.revisions.from > before.revision + 1) throw notCovered(heads, time);
  return { ...before, delta };
}

interface TimePoint {
  readonly history: number;
  readonly revision: number;
  readonly knownAt: number;
  readonly time: number;
  readonly delta: DeltaHead | undefined;
}

function timePoints(heads: readonly Head[]): TimePoint[] {
  const points: TimePoint[] = [];
  for (const head of heads.filter(isKeyspaceHead)) {
    if (head.times === null) continue;
    const time = Date.parse(head.times.to);
    const { history, revisions } = head;
    const revision = revisions.to;
    points.push({ history, revision, knownAt: time, time, delta: head.kind === "delta" ? head : undefined });
  }
  // A full that was taken while deltas continued has its number after theirs.
  return points.sort((a, b) => a.history - b.history || a.time - b.time || a.revision - b.revision);
}

export interface FoundRevision {
  readonly revision: number;
  /** Set where changes after `revision` were read late and may have happened before the time: they reach to `upTo`. */
  readonly uncertain: { readonly upTo: number; readonly from: number; readonly until: number } | undefined;
}

/** The revision within the delta that {@link placeTime} named, by its marks. */
export function revisionAt(place: TimePlace, marks: readonly TimeMark[], time: number): FoundRevision {
  let { revision, knownAt } = place;
  for (const mark of marks) {
    if (mark.time <= time) {
      revision = Math.max(revision, mark.revision);
      knownAt = mark.time;
      continue;
    }
    if (mark.revision <= revision) continue;
    const uncertain = mark.late ? { upTo: mark.revision, from: knownAt, until: mark.time } : undefined;
    return { revision, uncertain };
  }
  return { revision, uncertain: undefined };
}

function notCovered(heads: readonly Head[], time: number): MendError {
  const { spans } = readTimeline(heads);
  const text = spans.flatMap((span) => spanText(span)).join("; ");
  return new MendError(
    "moment-not-covered",
    `the repository cannot restore ${new Date(time).toISOString()} by its time`,
    {
      hint:
        text === ""
          ? "take a full with kubemend backup now"
          : `it covers ${text}; name one of these, a revision, or latest`,
    },
  );
}

function spanText({ times, from, to, deltas, fulls }: Span): string[] {
  const iso = (ms: number): string => new Date(ms).toISOString();
  if (times === null) return [`revisions ${from} to ${to}`];
  if (deltas.length > 0) return [`${iso(times.from)} to ${iso(times.to)}`];
  return fulls.map((full) => `${full.times?.to ?? ""} (revision ${full.revisions.to})`);
}
