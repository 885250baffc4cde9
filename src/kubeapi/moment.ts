/** Moments in a recorded history, as paths and users name them: a revision, a time, or how long before the end. */
import { defined } from "../errors/defined.ts";
import type { Clock } from "./clock.ts";
import type { KeyspaceHistory } from "./history.ts";
import { ApiFailure } from "./status.ts";

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Such as `90s`, `10m` or `1h30m`, in milliseconds; undefined for another text. */
export function parseSpan(text: string): number | undefined {
  if (!/^(\d+[smhd])+$/.test(text)) return undefined;
  return [...text.matchAll(/(\d+)([smhd])/g)].reduce(
    (sum, [, count, unit]) => sum + Number(count) * defined(UNITS[defined(unit)]),
    0,
  );
}

/**
 * The revision of a moment such as `184596`, `2026-11-29T10:42:17Z` or `10m` (before the newest). Throws `NotFound`
 * with what there is, and `Expired` for a revision that was compacted.
 */
export function resolveMoment(text: string, history: KeyspaceHistory, clock: () => Clock): number {
  const { firstRevision, lastRevision } = history;
  const range = `there are revisions ${firstRevision} to ${lastRevision}`;
  if (/^\d+$/.test(text)) {
    const revision = Number(text);
    if (revision > lastRevision) throw new ApiFailure("NotFound", `revision ${text} is not recorded yet: ${range}`);
    if (revision < firstRevision) throw new ApiFailure("Expired", `revision ${text} was compacted away: ${range}`);
    return revision;
  }
  const span = parseSpan(text);
  const time = span === undefined ? Date.parse(text) : (clock().last ?? Number.NaN) - span;
  if (Number.isNaN(time)) {
    const why = span === undefined ? `"${text}" is no moment` : "no object says when anything was written";
    throw new ApiFailure(
      "NotFound",
      `${why}: use a revision, a time such as 2026-11-29T10:42:17Z, or a span such as 10m; ${range}`,
    );
  }
  const revision = clock().revisionAt(time);
  if (revision === undefined || revision < firstRevision) {
    const { first } = clock();
    const since = first === undefined ? "" : `, the oldest of about ${new Date(first).toISOString()}`;
    throw new ApiFailure("Expired", `nothing of ${new Date(time).toISOString()} is recorded: ${range}${since}`);
  }
  return revision;
}
