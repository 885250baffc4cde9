/** `objects diff`: what differs between two snapshots, two revisions, or a snapshot and a live cluster, by meaning. */

import { MendError } from "../../errors/errors.ts";
import { loadEncryptionConfig } from "../../snapshot/load-encryption-config.ts";
import { openSnapshot } from "../../snapshot/open-snapshot.ts";
import { type ClusterFlags, withCluster } from "../cluster-access/open-cluster.ts";
import { type ComparisonCounts, createComparison, type ObjectDifference, type UnjudgedObject } from "./comparison.ts";
import { fitsIndex, type LargePair, surveyPair } from "./large-pair.ts";
import { openLiveSide } from "./live-side.ts";
import type { Moment } from "./moment.ts";
import { createSelection, type ObjectSelection, type SelectionRequest } from "./object-selection.ts";
import { readTypes } from "./object-types.ts";
import type { Side } from "./side.ts";
import { openSnapshotSide, readSnapshotSide, type SnapshotSideOptions } from "./snapshot-side.ts";

export type { ObjectDifference } from "./comparison.ts";

export interface DiffOptions extends SnapshotSideOptions {
  /** "live" is the cluster of `cluster`. */
  readonly sides: readonly [Moment | "live", Moment | "live"];
  readonly cluster?: ClusterFlags;
  readonly selection: SelectionRequest;
  /** Noise counts, too. */
  readonly all: boolean;
  /** Milliseconds since the epoch, for the validity of certificates. */
  readonly now?: () => number;
  /** Where a snapshot may hold more entries than this, two of them are compared in parts of about so many. */
  readonly mostIndexed?: number;
}

export interface DiffSummary {
  readonly before: string;
  readonly after: string;
  readonly added: number;
  readonly removed: number;
  readonly changed: number;
  readonly equal: number;
  /** Deleted and recreated, and otherwise equal; counted among `equal`. */
  readonly recreated: number;
  readonly unjudged: readonly UnjudgedObject[];
  /** Objects that were left out, by why: `events`, `leases`. */
  readonly noise: Readonly<Record<string, number>>;
  readonly warnings: readonly string[];
}

/**
 * Calls `report` for each difference, resource by resource, in the order of names. Throws `object-not-found` for a name
 * that is on neither side, and where neither has anything of the selection.
 */
export function diffObjects(
  options: DiffOptions,
  report: (difference: ObjectDifference) => Promise<void> | void,
): Promise<DiffSummary> {
  const [one, two] = options.sides;
  if (one !== "live" && two !== "live") return diffSnapshots(one, two, options, report);
  return withSide(one, options, (before) =>
    withSide(two, options, (after) => diffSides(before, after, options, report)),
  );
}

async function diffSnapshots(
  one: Moment,
  two: Moment,
  options: DiffOptions,
  report: (difference: ObjectDifference) => Promise<void> | void,
): Promise<DiffSummary> {
  const config = loadEncryptionConfig(options.encryptionConfig);
  using before = await openSnapshot(one.file, options);
  using after = await openSnapshot(two.file, options);
  const { mostIndexed } = options;
  if (fitsIndex(before, mostIndexed) && fitsIndex(after, mostIndexed)) {
    const side = await readSnapshotSide(before, one, options, config);
    return await diffSides(side, await readSnapshotSide(after, two, options, config), options, report);
  }
  const hasLabels = options.selection.selector.length > 0;
  const hasNames = options.selection.requests.some(({ names }) => names.length > 0);
  const files = [
    { snapshot: before, moment: one },
    { snapshot: after, moment: two },
  ] as const;
  const byValues = !(options.all || hasLabels || hasNames);
  const pair = await surveyPair(files, { ...options, config, byValues });
  return await diffInParts(pair, options, report);
}

async function withSide<T>(side: Moment | "live", options: DiffOptions, use: (side: Side) => Promise<T>): Promise<T> {
  const { signal, now, cluster } = options;
  if (side === "live") {
    if (cluster === undefined) throw new MendError("usage", "there is no cluster to compare with");
    return withCluster(cluster, { signal, now }, async (open) => use(await openLiveSide(open, signal)));
  }
  using opened = await openSnapshotSide(side, options);
  return await use(opened);
}

async function diffSides(
  before: Side,
  after: Side,
  options: DiffOptions,
  report: (difference: ObjectDifference) => Promise<void> | void,
): Promise<DiffSummary> {
  const { selection, comparison } = await startComparison([before, after], false, options, report);
  await comparison.add(before, after);
  return summarize(before, after, selection, comparison.counts);
}

/** Two snapshots, of which at least one has more keys than are indexed at once. */
async function diffInParts(
  pair: LargePair,
  options: DiffOptions,
  report: (difference: ObjectDifference) => Promise<void> | void,
): Promise<DiffSummary> {
  const [before, after] = pair.definitions;
  const { selection, comparison } = await startComparison([before, after], true, options, report);
  for await (const part of pair.parts(selection.scope)) {
    comparison.countEqual(part.equal);
    await comparison.add(part.before, part.after);
  }
  return summarize(before, after, selection, comparison.counts);
}

/** `sides`: what has the definitions of custom resources. */
async function startComparison(
  sides: readonly [Side, Side],
  inGroups: boolean,
  options: DiffOptions,
  report: (difference: ObjectDifference) => Promise<void> | void,
) {
  const { all, signal, progress } = options;
  const [before, after] = sides;
  const selection = createSelection(options.selection, [...before.custom, ...after.custom]);
  const selectsAll = options.selection.selector.length === 0;
  const types = await readTypes(sides);
  const shown = { ...(signal && { signal }), ...(progress && { progress }) };
  return { selection, comparison: createComparison({ selection, selectsAll, all, inGroups, types, report, ...shown }) };
}

function summarize(
  before: Pick<Side, "label" | "warnings">,
  after: Pick<Side, "label" | "warnings">,
  selection: ObjectSelection,
  counts: ComparisonCounts,
): DiffSummary {
  const where = `${before.label} and ${after.label}`;
  const missing = selection.missing();
  if (missing.length > 0) {
    throw new MendError("object-not-found", `${missing.map((each) => `"${each}"`).join(", ")} not found`, {
      where,
      hint: "check the name and the namespace (-n)",
    });
  }
  const { added, removed, changed, equal, unjudged, noise } = counts;
  // No difference between nothing and nothing would read as if all were well, where a name is misspelled.
  if (added + removed + changed + equal + unjudged.length === 0 && Object.keys(noise).length === 0) {
    throw new MendError("object-not-found", "neither side has anything that matches the selection", {
      where,
      hint: "check the namespace (-n, or -A for all) and the labels (-l)",
    });
  }
  const warnings = [...before.warnings, ...after.warnings];
  return { before: before.label, after: after.label, ...counts, warnings };
}
