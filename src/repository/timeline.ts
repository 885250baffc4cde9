/** What can be restored: spans of revisions and of times without a gap, for each history of the cluster. */
import type { DeltaHead, FullHead, Head } from "./head.ts";

export type KeyspaceHead = FullHead | DeltaHead;

/** Revisions `from` to `to`, each of which can be restored. */
export interface Span {
  readonly history: number;
  readonly cluster: string;
  readonly from: number;
  readonly to: number;
  /** Milliseconds; every moment between them can be restored by its time. Null where only revisions are known. */
  readonly times: { readonly from: number; readonly to: number } | null;
  readonly fulls: readonly FullHead[];
  readonly deltas: readonly DeltaHead[];
}

export interface Timeline {
  /** In the order in which they were written. */
  readonly spans: readonly Span[];
  /** Deltas with no full below them: they cannot be used. */
  readonly orphans: readonly DeltaHead[];
}

export function isKeyspaceHead(head: Head): head is KeyspaceHead {
  return head.kind === "full" || head.kind === "delta";
}

/** `heads` in the order of their numbers. */
export function readTimeline(heads: readonly Head[]): Timeline {
  const spans: Open[] = [];
  const orphans: DeltaHead[] = [];
  for (const head of heads.filter(isKeyspaceHead)) {
    const last = spans.findLast(({ history }) => history === head.history);
    const { from, to } = head.revisions;
    const follows = last !== undefined && from <= last.to + 1;
    if (head.kind === "full") {
      if (follows) {
        last.from = Math.min(last.from, from);
        last.to = Math.max(last.to, to);
        last.fulls.push(head);
        widen(last, head.times === null ? undefined : Date.parse(head.times.to), head.times !== null);
      } else {
        const time = head.times === null ? undefined : Date.parse(head.times.to);
        spans.push({
          history: head.history,
          cluster: head.cluster,
          from,
          to,
          timeFrom: time,
          timeTo: time,
          fulls: [head],
          deltas: [],
        });
      }
    } else if (follows) {
      last.to = Math.max(last.to, to);
      last.deltas.push(head);
      widen(last, Date.parse(head.times.to), false);
    } else {
      orphans.push(head);
    }
  }
  return { spans: spans.map(closed), orphans };
}

interface Open {
  readonly history: number;
  readonly cluster: string;
  from: number;
  to: number;
  timeFrom: number | undefined;
  timeTo: number | undefined;
  readonly fulls: FullHead[];
  readonly deltas: DeltaHead[];
}

function widen(span: Open, time: number | undefined, mayBegin: boolean): void {
  if (time === undefined) return;
  if (span.timeFrom === undefined && mayBegin) span.timeFrom = time;
  span.timeTo = Math.max(span.timeTo ?? time, time);
}

function closed({ timeFrom, timeTo, ...span }: Open): Span {
  const times = timeFrom === undefined || timeTo === undefined ? null : { from: timeFrom, to: timeTo };
  return { ...span, times };
}
