/** How much was written when: the strip behind the slider of moments. */
import { defined } from "../../errors/defined.ts";
import type { JsonObject } from "../../kube/object.ts";
import type { Clock } from "../clock.ts";
import type { World } from "../world.ts";
import { isoTime } from "./overview.ts";

/**
 * Counts of writes in spans of the recorded history: of equal time, or of equal numbers of revisions where nothing says
 * when they were written. Each span names its last revision. What was compacted is not there.
 */
export function density({ history }: World, clock: Clock, buckets: number): JsonObject {
  const { firstRevision: first, lastRevision: last } = history;
  const start = clock.timeOf(first) ?? clock.first;
  const end = clock.timeOf(last);
  const byTime = start !== undefined && end !== undefined && end > start;
  const count = byTime ? buckets : Math.max(1, Math.min(buckets, last - first + 1));
  const width = byTime ? (end - start) / count : (last - first + 1) / count;
  const written = new Array<number>(count).fill(0);
  const deleted = new Array<number>(count).fill(0);
  const newest = new Array<number>(count).fill(0);
  for (const row of history.rowsAfter(first - 1)) {
    const revision = history.revisionOf(row);
    const at = byTime ? ((clock.timeOf(revision) ?? start) - start) / width : (revision - first) / width;
    const bucket = Math.max(0, Math.min(count - 1, Math.floor(at)));
    newest[bucket] = Math.max(defined(newest[bucket]), revision);
    if (history.isDeletion(row)) deleted[bucket] = (deleted[bucket] ?? 0) + 1;
    else written[bucket] = (written[bucket] ?? 0) + 1;
  }
  let from = first;
  return {
    firstRevision: first,
    lastRevision: last,
    byTime,
    buckets: written.map((writes, i) => {
      const to = i === count - 1 ? last : Math.max(defined(newest[i]), from);
      const body = {
        from,
        to,
        writes,
        deletions: defined(deleted[i]),
        time: isoTime(byTime ? start + (i + 1) * width : clock.timeOf(to)),
      };
      from = to;
      return body;
    }),
  };
}
