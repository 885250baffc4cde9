/**
 * Which fulls to keep, by the rules of restic's `forget`: the newest of each hour, day, week, month and year, for so
 * many of them that have any.
 */

export interface KeepPolicy {
  readonly last?: number;
  readonly hourly?: number;
  readonly daily?: number;
  readonly weekly?: number;
  readonly monthly?: number;
  readonly yearly?: number;
  /** Milliseconds before the newest: from then on every moment is kept. */
  readonly within?: number;
}

export interface Dated {
  readonly sequence: number;
  /** Milliseconds; periods are those of UTC. */
  readonly time: number;
}

const PERIODS: readonly (readonly [keyof KeepPolicy, (time: Date) => string])[] = [
  ["hourly", (time) => time.toISOString().slice(0, 13)],
  ["daily", (time) => time.toISOString().slice(0, 10)],
  ["weekly", isoWeek],
  ["monthly", (time) => time.toISOString().slice(0, 7)],
  ["yearly", (time) => time.toISOString().slice(0, 4)],
];

/** The numbers of those to keep, each with the rules that keep it. The newest is always kept. */
export function chooseKept(items: readonly Dated[], policy: KeepPolicy): Map<number, string[]> {
  const kept = new Map<number, string[]>();
  const keep = (item: Dated, reason: string): void => {
    const reasons = kept.get(item.sequence);
    if (reasons === undefined) kept.set(item.sequence, [reason]);
    else reasons.push(reason);
  };
  const newestFirst = items.toSorted((a, b) => b.time - a.time || b.sequence - a.sequence);
  const [newest] = newestFirst;
  if (newest === undefined) return kept;
  keep(newest, "newest");
  for (const item of newestFirst.slice(0, policy.last ?? 0)) keep(item, "last");
  for (const [rule, periodOf] of PERIODS) {
    let left = policy[rule] ?? 0;
    let period: string | undefined;
    for (const item of newestFirst) {
      if (left === 0) break;
      const own = periodOf(new Date(item.time));
      if (own === period) continue;
      period = own;
      left--;
      keep(item, rule);
    }
  }
  if (policy.within !== undefined) {
    for (const item of newestFirst) if (item.time >= newest.time - policy.within) keep(item, "within");
  }
  return kept;
}

/** Such as `2026-W48`: ISO 8601's week and the year that it belongs to. */
function isoWeek(time: Date): string {
  const thursday = new Date(time);
  thursday.setUTCDate(time.getUTCDate() + 4 - (time.getUTCDay() || 7));
  const year = thursday.getUTCFullYear();
  const week = Math.ceil(((thursday.getTime() - Date.UTC(year, 0, 1)) / 86_400_000 + 1) / 7);
  return `${year}-W${String(week).padStart(2, "0")}`;
}
