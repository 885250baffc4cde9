/**
 * Whether survivors are of one history. Members of one cluster are, by raft's own guarantee. A cluster that was made
 * again with the same flags has the same ids as before, and one that continued alone (`--force-new-cluster`, a salvage)
 * the same as those it left behind: their logs must never be joined.
 */
import { defined } from "../errors/defined.ts";
import { formatMemberId } from "../wal/membership.ts";
import { committedEnd, type HeldFragment, type Survivor } from "./survivor.ts";

/** Two survivors that contradict each other, and at which entry. */
export interface Contradiction {
  readonly one: Survivor;
  readonly other: Survivor;
  readonly index: number;
  readonly text: string;
}

/** The first contradiction among logs and databases; undefined where there is none. */
export function findContradiction(fragments: readonly HeldFragment[]): Contradiction | undefined {
  for (const [i, one] of fragments.entries()) {
    for (const other of fragments.slice(0, i)) {
      const found = one.survivor === other.survivor ? undefined : compareFragments(other, one);
      if (found !== undefined) return { one: other.survivor, other: one.survivor, ...found };
    }
  }
  return undefined;
}

function compareFragments(one: HeldFragment, other: HeldFragment): Pick<Contradiction, "index" | "text"> | undefined {
  const from = Math.max(one.first, other.first);
  const to = Math.min(one.last, other.last);
  // From the end: once the terms agree, they agree before, and so does the content.
  let agreed = false;
  for (let index = to; index >= from; index--) {
    const a = defined(one.entries[index - one.first]);
    const b = defined(other.entries[index - other.first]);
    if (a.term === b.term && a.digest === b.digest && a.type === b.type) {
      agreed = true;
      continue;
    }
    if (a.term === b.term) return { index, text: `entry ${index} of term ${a.term} is not the same in both` };
    if (agreed)
      return {
        index,
        text: `entry ${index} is of term ${a.term} in one and ${b.term} in the other, and those behind it agree`,
      };
    if (index <= Math.min(committedEnd(one), committedEnd(other))) {
      return {
        index,
        text: `entry ${index} is committed in both, of term ${a.term} in one and ${b.term} in the other`,
      };
    }
  }
  return undefined;
}

/** Databases of which one has taken in more entries and yet has a lower revision: it has left some out. */
export interface SkippedEntries {
  readonly survivor: Survivor;
  readonly path: string;
  readonly text: string;
}

/** A known fault of etcd 3.5.0 to 3.5.2: a crash could leave a database that says it has taken in entries which it has not. */
export function findSkippedEntries(survivors: readonly Survivor[]): SkippedEntries[] {
  const all = survivors.flatMap((survivor) => survivor.databases.map((database) => ({ survivor, database })));
  return all.flatMap(({ survivor, database }) => {
    const witness = all.find(
      (other) => other.database.index <= database.index && other.database.revision > database.revision,
    );
    if (witness === undefined) return [];
    const text =
      `it has taken in entries up to ${database.index} and has revision ${database.revision}, but ` +
      `"${witness.database.path}" has revision ${witness.database.revision} at entry ` +
      `${witness.database.index}: entries were left out`;
    return [{ survivor, path: database.path, text }];
  });
}

/** In hex, of those survivors that say it. */
export function clusterIds(survivors: readonly Survivor[]): string[] {
  const ids = survivors.map(({ log }) => log.metadata?.clusterId).filter((id) => id !== undefined);
  return [...new Set(ids)].map(formatMemberId);
}
