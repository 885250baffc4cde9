/** What reading every version of every key comes to, and how the parts of several threads join. */
import type { Report } from "../bolt/tree.ts";
import type { FindingLevel } from "../errors.ts";
import type { EncryptionConfig } from "./encryption-config.ts";
import type { DecodedValue } from "./object.ts";

export interface VerifyOptions {
  readonly encryption?: EncryptionConfig;
  readonly etcdPrefix?: string;
}

/** Something that many values have in common, with the place of the first in the file. */
export interface Tally {
  count: number;
  readonly level: FindingLevel;
  readonly code: string;
  readonly text: string;
  readonly where: string;
}

export interface VerifyResult {
  /** Versions by what became of them. */
  readonly counts: Readonly<Record<DecodedValue["state"], number>>;
  readonly tombstones: number;
  /** The newest revision. */
  readonly lastRevision: number;
  /** Keys that every cluster has: they tell where it lives. */
  readonly signs: readonly Uint8Array[];
  readonly tallies: ReadonlyMap<string, Tally>;
}

/** Joins what several threads found. */
export function mergeVerifyResults(results: readonly VerifyResult[]): VerifyResult {
  const counts: Record<DecodedValue["state"], number> = { object: 0, encrypted: 0, opaque: 0, unreadable: 0 };
  const tallies = new Map<string, Tally>();
  let tombstones = 0;
  let lastRevision = 0;
  for (const result of results) {
    for (const state of Object.keys(counts) as DecodedValue["state"][]) counts[state] += result.counts[state];
    tombstones += result.tombstones;
    lastRevision = Math.max(lastRevision, result.lastRevision);
    for (const [key, tally] of result.tallies) {
      const known = tallies.get(key);
      if (known === undefined) tallies.set(key, { ...tally });
      else known.count += tally.count;
    }
  }
  return { counts, tombstones, lastRevision, signs: results.flatMap((result) => result.signs), tallies };
}

/** One finding for each thing that values have in common. */
export function reportTallies(result: VerifyResult, report: Report): void {
  for (const { count, level, code, text, where } of result.tallies.values()) {
    report({ level, code, where, text: count === 1 ? text : `${text} (and ${count - 1} more like it)` });
  }
}
