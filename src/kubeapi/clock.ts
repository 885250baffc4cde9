/**
 * When each revision was written. Etcd keeps no times; Kubernetes' objects do: leases are renewed every few seconds,
 * events are stamped, objects have the time of their creation and of each manager's last change. Some of them are read,
 * and the newest time seen so far is the time of a revision.
 */
import { defined } from "../errors/defined.ts";
import type { JsonValue, KubeObject } from "../kube/object.ts";
import { list, text } from "./columns/field.ts";
import type { KeyspaceHistory } from "./history.ts";

export interface Clock {
  /** About when a revision was written, in milliseconds since the epoch; undefined where nothing says. */
  timeOf(revision: number): number | undefined;
  /** The newest revision that was written at or before a time; undefined where nothing says, or all are later. */
  revisionAt(time: number): number | undefined;
  /** Of the oldest and the newest revision with a known time. */
  readonly first: number | undefined;
  readonly last: number | undefined;
}

/** Rows that are looked at. */
const SAMPLES = 1200;

export function readClock(history: KeyspaceHistory, prefix: string): Clock {
  const rows = sampleRows(history, prefix);
  const revisions: number[] = [];
  const times: number[] = [];
  let newest = Number.NEGATIVE_INFINITY;
  for (const row of rows) {
    const decoded = history.decode(row);
    const time = decoded.state === "object" ? newestTime(decoded.object) : undefined;
    if (time === undefined || time <= newest) continue;
    newest = time;
    revisions.push(history.revisionOf(row));
    times.push(time);
  }
  return {
    timeOf: (revision) => times[lastAtMost(revisions, revision)],
    revisionAt(time) {
      const at = lastAtMost(times, time);
      if (at < 0) return undefined;
      // Up to the next revision that is known to be later.
      const next = revisions[at + 1];
      return next === undefined ? history.lastRevision : next - 1;
    },
    first: times[0],
    last: times.at(-1),
  };
}

/** The position of the last number that is not above `wanted`, or -1. */
function lastAtMost(sorted: readonly number[], wanted: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (defined(sorted[middle]) <= wanted) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Leases and events first, then whatever else there is, in the order of revisions. */
function sampleRows(history: KeyspaceHistory, prefix: string): readonly number[] {
  const preferred = ["leases", "events"].map((place) => history.range(`${prefix}/${place}/`));
  const chosen: number[] = [];
  const others: number[] = [];
  for (const row of history.rowsAfter(0)) {
    if (history.isDeletion(row)) continue;
    const key = history.keyOfRow(row);
    if (preferred.some(([from, to]) => key >= from && key < to)) chosen.push(row);
    else others.push(row);
  }
  const sampled = [...evenly(chosen, SAMPLES), ...evenly(others, SAMPLES / 3)];
  return sampled.sort((a, b) => history.revisionOf(a) - history.revisionOf(b));
}

function evenly(rows: readonly number[], most: number): readonly number[] {
  if (rows.length <= most) return rows;
  const step = rows.length / most;
  return Array.from({ length: Math.floor(most) }, (_, i) => defined(rows[Math.floor(i * step)]));
}

/** The newest time that an object says of a change to it. */
function newestTime(object: KubeObject): number | undefined {
  const { metadata } = object;
  const times: (JsonValue | undefined)[] = [
    metadata?.creationTimestamp,
    ...(object.kind === "Lease" ? [text(object, "spec.renewTime")] : []),
    ...(object.kind === "Event"
      ? [text(object, "lastTimestamp"), text(object, "eventTime"), text(object, "series.lastObservedTime")]
      : []),
    ...list(object, "metadata.managedFields").map((each) => text(each, "time")),
  ];
  let newest: number | undefined;
  for (const each of times) {
    const time = typeof each === "string" && each !== "" ? Date.parse(each) : Number.NaN;
    if (!Number.isNaN(time) && (newest === undefined || time > newest)) newest = time;
  }
  return newest;
}
