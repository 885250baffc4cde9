/**
 * When a revision was written. Etcd keeps no times, but leases are renewed every few seconds, and each renewal says
 * when: a revision was written after the renewal before it and before the one behind it, by the clocks of those who
 * renew.
 */

import { defined } from "../errors/defined.ts";
export interface TimeMark {
  readonly revision: number;
  /** Milliseconds since the epoch. */
  readonly time: number;
}

export interface RevisionTimes {
  /** The latest time at which the revision can have been written, or, behind the last mark, the earliest; undefined without marks. */
  timeOf(revision: number): number | undefined;
  /** The first revision that may have been written at this time or later; undefined without marks. */
  firstSince(time: number): number | undefined;
}

/** Marks in any order. Clocks that differ are evened out: time never goes back from one revision to the next. */
export function createRevisionTimes(marks: readonly TimeMark[]): RevisionTimes {
  const sorted = [...marks].sort((a, b) => a.revision - b.revision);
  let newest = Number.NEGATIVE_INFINITY;
  const times = sorted.map(({ revision, time }) => {
    newest = Math.max(newest, time);
    return { revision, time: newest };
  });
  return {
    timeOf(revision) {
      const at = firstIndex(times.length, (i) => defined(times[i]).revision >= revision);
      return (times[at] ?? times.at(-1))?.time;
    },
    firstSince(time) {
      if (times.length === 0) return undefined;
      const at = firstIndex(times.length, (i) => defined(times[i]).time >= time);
      // What was written between two marks, or behind the last one, may have been written after the time.
      return at === 0 ? 0 : defined(times[at - 1]).revision + 1;
    },
  };
}

function firstIndex(count: number, holds: (i: number) => boolean): number {
  let [low, high] = [0, count];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
