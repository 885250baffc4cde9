/** The independent side: what survivors certainly hold, by the places of records and of damage alone. */
import { CRC_RECORD, METADATA_RECORD } from "../../src/wal/record.ts";
import { type DamagedMember, isIntact } from "./damage.ts";
import type { History, ModelEntry } from "./raft-model.ts";

/** The entries that a log surely shows: whole records behind whole records, since a record is verified by the one before it; none that was overwritten later. */
export function heldEntries({ segments, member }: DamagedMember): Map<number, ModelEntry> {
  const held = new Map<number, { readonly term: number; readonly isSure: boolean }>();
  let hasMetadata = false;
  for (const segment of segments) {
    const { records } = segment.image;
    records.forEach((record, i) => {
      const before = records[i - 1];
      const isSure =
        isIntact(segment, record) && (before === undefined ? record.type === CRC_RECORD : isIntact(segment, before));
      if (isSure && record.type === METADATA_RECORD) hasMetadata = true;
      if (record.entry === undefined) return;
      const { index, term } = record.entry;
      for (const old of held.keys()) if (old >= index) held.delete(old);
      held.set(index, { term, isSure });
    });
  }
  const found = new Map<number, ModelEntry>();
  if (!hasMetadata) return found; // a log of nobody
  for (const [index, { term, isSure }] of held) {
    const entry = member.log[index - 1];
    if (isSure && entry?.term === term) found.set(index, entry);
  }
  return found;
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
