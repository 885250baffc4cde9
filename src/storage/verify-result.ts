/** What reading every version of every key comes to, and how the parts of several threads join. */
import type { Tally } from "../errors/findings.ts";
import type { DecodedValue } from "../kube/object.ts";
import type { EncryptionConfig } from "./encryption-config.ts";

export interface VerifyOptions {
  readonly encryption?: EncryptionConfig;
  readonly etcdPrefix?: string;
  /** Whether values that are no objects are reported where the API server keeps a kind of its own. */
  readonly reportsOpaque?: boolean;
}

export interface VerifyResult {
  /** Versions by what became of them. */
  readonly counts: Readonly<Record<DecodedValue["state"], number>>;
  readonly tombstones: number;
  /** The newest revision. */
  readonly lastRevision: number;
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
  return { counts, tombstones, lastRevision, tallies };
}
