/** The independent side: what survivors certainly hold, by the places of records and of damage alone. */
import { CRC_RECORD, METADATA_RECORD } from "../../src/wal/record.ts";
import { type DamagedMember, isIntact } from "./damage.ts";
import type { History, ModelEntry } from "./raft-model.ts";

interface PlacedEntry {
  readonly term: number;
  readonly isSure: boolean;
  /** How many records before it are not sure. */
  readonly unsureBefore: number;
}

/** The last record of each index that the log still has in the end, and whether any segment says whose log it is. */
function placedEntries({ segments }: DamagedMember): {
  readonly entries: Map<number, PlacedEntry>;
  readonly isSomebodys: boolean;
} {
  const entries = new Map<number, PlacedEntry>();
  let isSomebodys = false;
  let unsureBefore = 0;
  for (const segment of segments) {
    const { records } = segment.image;
    records.forEach((record, i) => {
      const before = records[i - 1];
      const isSure =
        isIntact(segment, record) && (before === undefined ? record.type === CRC_RECORD : isIntact(segment, before));
      if (isSure && record.type === METADATA_RECORD) isSomebodys = true;
      if (record.entry !== undefined) {
        const { index, term } = record.entry;
        for (const old of entries.keys()) if (old >= index) entries.delete(old);
        entries.set(index, { term, isSure, unsureBefore });
      }
      if (!isSure) unsureBefore++;
    });
  }
  return { entries, isSomebodys };
}

/**
 * The entries that a log surely shows: whole records behind whole records, since a record is verified by the one before
 * it; none that was overwritten later.
 */
export function heldEntries(data: DamagedMember): Map<number, ModelEntry> {
  const { entries, isSomebodys } = placedEntries(data);
  const found = new Map<number, ModelEntry>();
  for (const [index, { term, isSure }] of isSomebodys ? entries : []) {
    const entry = data.member.log[index - 1];
    if (isSure && entry?.term === term) found.set(index, entry);
  }
  return found;
}

/** Whether the log surely shows that this entry follows the one before it: all records from the one to the other are whole. */
export function showsPredecessor(data: DamagedMember, index: number): boolean {
  const { entries, isSomebodys } = placedEntries(data);
  const [before, at] = [entries.get(index - 1), entries.get(index)];
  if (before === undefined || at === undefined || !isSomebodys) return false;
  return before.isSure && at.isSure && before.unsureBefore === at.unsureBefore;
}

export interface Holdings {
  /** Committed entries that a survivor has, in a database or in a log. */
  readonly committed: ReadonlySet<number>;
  /** The best database, and how far committed entries follow it without a gap, from whichever log. */
  readonly reach: number;
}

export function holdingsOf(history: History, survivors: readonly DamagedMember[]): Holdings {
  const database = Math.max(0, ...survivors.flatMap(({ databases }) => databases));
  const logs = survivors.map(heldEntries);
  const isHeld = (index: number): boolean => {
    const entry = history.committed[index - 1];
    return entry !== undefined && logs.some((log) => log.get(index) === entry);
  };
  const committed = new Set<number>();
  for (let index = 1; index <= history.committed.length; index++) {
    if (index <= database || isHeld(index)) committed.add(index);
  }
  let reach = database;
  while (isHeld(reach + 1)) reach++;
  return { committed, reach };
}
