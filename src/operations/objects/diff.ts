/** `objects diff`: what differs between two snapshots, two revisions, or a snapshot and a live cluster, by meaning. */

import { builtInType } from "../../compare/built-in-types.ts";
import { compareObjects } from "../../compare/compare-objects.ts";
import type { FieldChange } from "../../compare/compare-values.ts";
import { isElectionRecord, noisyPath } from "../../compare/noise.ts";
import { definitionTypes, UNKNOWN_CUSTOM } from "../../compare/schema-types.ts";
import type { ValueType } from "../../compare/value-type.ts";
import { defined } from "../../errors/defined.ts";
import { MendError } from "../../errors/errors.ts";
import { compare } from "../../kube/compare-text.ts";
import type { KubeObject } from "../../kube/object.ts";
import type { ProgressSink } from "../../snapshot/progress.ts";
import { createTurns } from "../../snapshot/turns.ts";
import { resourceAtPath } from "../../storage/object-key.ts";
import { type ClusterFlags, withCluster } from "../cluster-access/open-cluster.ts";
import { conversionOf } from "./conversion-of.ts";
import { differingEntries } from "./differing-entries.ts";
import { openLiveSide } from "./live-side.ts";
import type { Moment } from "./moment.ts";
import { createSelection, type ObjectSelection, type SelectionRequest, splitRest } from "./object-selection.ts";
import type { ReadObject, Side, SideEntry } from "./side.ts";
import { openSnapshotSide, type SnapshotSideOptions } from "./snapshot-side.ts";

export interface DiffOptions extends SnapshotSideOptions {
  /** "live" is the cluster of `cluster`. */
  readonly sides: readonly [Moment | "live", Moment | "live"];
  readonly cluster?: ClusterFlags;
  readonly selection: SelectionRequest;
  /** Noise counts, too. */
  readonly all: boolean;
  /** Milliseconds since the epoch, for the validity of certificates. */
  readonly now?: () => number;
}

export interface ObjectDifference {
  readonly change: "added" | "removed" | "changed";
  readonly path: string;
  readonly namespace: string | undefined;
  readonly name: string;
  readonly kind: string;
  /** Of the newer object, or of the only one. */
  readonly apiVersion: string;
  /** For changed objects. */
  readonly fields: readonly FieldChange[];
  readonly recreated: boolean;
  /** Undefined where it is not there, or cannot be read. */
  readonly before: KubeObject | undefined;
  readonly after: KubeObject | undefined;
}

/** An object of which nobody can say whether it differs. */
interface UnjudgedObject {
  readonly path: string;
  readonly namespace: string | undefined;
  readonly name: string;
  readonly text: string;
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
  return withSide(one, options, (before) =>
    withSide(two, options, (after) => diffSides(before, after, options, report)),
  );
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

interface Counts {
  added: number;
  removed: number;
  changed: number;
  equal: number;
  recreated: number;
  readonly unjudged: UnjudgedObject[];
  readonly noise: Record<string, number>;
}

async function diffSides(
  before: Side,
  after: Side,
  options: Pick<DiffOptions, "selection" | "all" | "signal" | "progress">,
  report: (difference: ObjectDifference) => Promise<void> | void,
): Promise<DiffSummary> {
  const { all, signal } = options;
  const selection = createSelection(options.selection, [...before.custom, ...after.custom]);
  const selectsAll = options.selection.selector.length === 0;
  const counts: Counts = { added: 0, removed: 0, changed: 0, equal: 0, recreated: 0, unjudged: [], noise: {} };
  const types = await readTypes([before, after]);
  const paths = [...new Set([...before.paths, ...after.paths])]
    .filter((path) => selection.takesPath(path))
    .sort(compare);
  const step = startProgress(options.progress);
  const turn = createTurns(signal);
  for (const path of paths) {
    const like = before.versionAt(path) ?? after.versionAt(path);
    const noise = all ? undefined : noisyPath(path);
    const isQuick = noise === undefined && !all && selectsAll;
    const quick = isQuick ? await differingEntries(before, after, path, selection, signal) : undefined;
    if (quick !== undefined) counts.equal += quick.equal;
    const one = quick?.one ?? (await before.open(path, like));
    const two = quick?.two ?? (await after.open(path, like));
    const names = [...new Set([...one.keys(), ...two.keys()])].filter((rest) => selection.takes(path, rest));
    if (noise !== undefined) {
      if (names.length > 0) counts.noise[noise] = (counts.noise[noise] ?? 0) + names.length;
      continue;
    }
    const place = (rest: string) => one.get(rest)?.place ?? two.get(rest)?.place ?? 0;
    const differences: ObjectDifference[] = [];
    for (const rest of names.sort((a, b) => place(a) - place(b))) {
      step();
      await turn();
      const [old, found] = [one.get(rest), two.get(rest)];
      if (!all && selectsAll && sameBytes(old, found)) {
        counts.equal++;
        continue;
      }
      const difference = diffEntry(path, rest, old, found, types, selection, selectsAll, all, counts);
      if (difference === undefined) continue;
      counts[difference.change]++;
      differences.push(difference);
    }
    differences.sort((a, b) => compare(a.namespace ?? "", b.namespace ?? "") || compare(a.name, b.name));
    for (const difference of differences) await report(difference);
  }
  const missing = selection.missing();
  if (missing.length > 0) {
    throw new MendError("object-not-found", `${missing.map((each) => `"${each}"`).join(", ")} not found`, {
      where: `${before.label} and ${after.label}`,
      hint: "check the name and the namespace (-n)",
    });
  }
  const { added, removed, changed, equal, unjudged, noise } = counts;
  // No difference between nothing and nothing would read as if all were well, where a name is misspelled.
  if (added + removed + changed + equal + unjudged.length === 0 && Object.keys(noise).length === 0) {
    throw new MendError("object-not-found", "neither side has anything that matches the selection", {
      where: `${before.label} and ${after.label}`,
      hint: "check the namespace (-n, or -A for all) and the labels (-l)",
    });
  }
  const warnings = [...before.warnings, ...after.warnings];
  return { before: before.label, after: after.label, ...counts, warnings };
}

function diffEntry(
  path: string,
  rest: string,
  one: SideEntry | undefined,
  two: SideEntry | undefined,
  types: ReadonlyMap<string, ValueType>,
  selection: ObjectSelection,
  selectsAll: boolean,
  all: boolean,
  counts: Counts,
): ObjectDifference | undefined {
  const [old, found] = [one?.read(), two?.read()];
  const { namespace, name } = splitRest(path, rest);
  const id = { path, namespace, name };
  const reason = whyUnjudged(one, old) ?? whyUnjudged(two, found);
  if (reason !== undefined) {
    // That it is there says enough, if it is nowhere else.
    if (selectsAll && (one === undefined || two === undefined)) {
      const kind = resourceAtPath(path)?.kind ?? path;
      const change = one === undefined ? "added" : "removed";
      return { ...id, kind, apiVersion: "", change, fields: [], recreated: false, before: undefined, after: undefined };
    }
    counts.unjudged.push({ ...id, text: reason });
    return undefined;
  }
  const first = old?.state === "object" ? old.object : undefined;
  const second = found?.state === "object" ? found.object : undefined;
  // A definition is stored as v1beta1, and read from an API server as v1.
  const before = (first && second && conversionOf(first, second.apiVersion)) ?? first;
  const after = (first && second && conversionOf(second, first.apiVersion)) ?? second;
  const shown = defined(after ?? before);
  if (![before, after].some((object) => object !== undefined && selection.takesLabels(object))) return undefined;
  if (!all && isElectionRecord(shown)) {
    counts.noise.leases = (counts.noise.leases ?? 0) + 1;
    return undefined;
  }
  const { apiVersion, kind } = shown;
  const common = { ...id, kind, apiVersion, before, after };
  if (before === undefined) return { ...common, change: "added", fields: [], recreated: false };
  if (after === undefined) return { ...common, change: "removed", fields: [], recreated: false };
  const type = typeOf(before, types) ?? typeOf(after, types) ?? UNKNOWN_CUSTOM;
  const { fields, recreated } = compareObjects(before, after, type, all);
  if (fields.length > 0) return { ...common, change: "changed", fields, recreated };
  counts.equal++;
  if (recreated) counts.recreated++;
  return undefined;
}

function sameBytes(one: SideEntry | undefined, two: SideEntry | undefined): boolean {
  const bytes = one?.bytes?.();
  const others = bytes && two?.bytes?.();
  return bytes !== undefined && others !== undefined && Buffer.compare(bytes, others) === 0;
}

function whyUnjudged(entry: SideEntry | undefined, found: ReadObject | undefined): string | undefined {
  if (entry === undefined || found?.state === "object") return undefined;
  return found?.text ?? "the value is damaged";
}

/** The type of an object's fields: its kind's own, or that of its definition. */
export function typeOf({ apiVersion, kind }: KubeObject, types: ReadonlyMap<string, ValueType>): ValueType | undefined {
  return builtInType(apiVersion, kind) ?? types.get(`${apiVersion}/${kind}`);
}

const DEFINITIONS = "apiextensions.k8s.io/customresourcedefinitions";

/** Types of custom resources by `GROUP/VERSION/KIND`, of the definitions on all sides; those of the last one count. */
export async function readTypes(sides: readonly Side[]): Promise<Map<string, ValueType>> {
  const types = new Map<string, ValueType>();
  for (const side of sides) {
    if (!side.paths.includes(DEFINITIONS)) continue;
    for (const entry of (await side.open(DEFINITIONS)).values()) {
      const found = entry.read();
      if (found?.state === "object") addTypes(found.object, types);
    }
  }
  return types;
}

export function addTypes(definition: KubeObject, types: Map<string, ValueType>): void {
  const names = (definition.spec as { readonly names?: { readonly kind?: unknown } } | undefined)?.names;
  for (const [apiVersion, type] of definitionTypes(definition)) types.set(`${apiVersion}/${names?.kind}`, type);
}

/** Counts objects, and reports how many from time to time. */
function startProgress(progress: ProgressSink | undefined): () => number {
  let done = 0;
  return () => {
    done++;
    if (done % 512 === 0) progress?.({ step: "comparing", done, unit: "objects" });
    return done;
  };
}
