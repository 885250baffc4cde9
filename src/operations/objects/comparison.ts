/** Compares the objects of two sides, whole ones or one part after the other, and counts what was found. */
import { compareObjects } from "../../compare/compare-objects.ts";
import type { FieldChange } from "../../compare/compare-values.ts";
import { isElectionRecord, noisyPath } from "../../compare/noise.ts";
import { UNKNOWN_CUSTOM } from "../../compare/schema-types.ts";
import type { ValueType } from "../../compare/value-type.ts";
import { defined } from "../../errors/defined.ts";
import { compare } from "../../kube/compare-text.ts";
import type { KubeObject } from "../../kube/object.ts";
import type { ProgressSink } from "../../snapshot/progress.ts";
import { createTurns } from "../../snapshot/turns.ts";
import type { ObjectCounts } from "../../storage/object-counts.ts";
import { resourceAtPath, splitRest } from "../../storage/object-key.ts";
import { conversionOf } from "./conversion-of.ts";
import { differingEntries } from "./differing-entries.ts";
import { entryGroups } from "./entry-groups.ts";
import type { ObjectSelection } from "./object-selection.ts";
import { typeOf } from "./object-types.ts";
import type { ReadObject, Side, SideEntry } from "./side.ts";

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
export interface UnjudgedObject {
  readonly path: string;
  readonly namespace: string | undefined;
  readonly name: string;
  readonly text: string;
}

export interface ComparisonCounts {
  added: number;
  removed: number;
  changed: number;
  equal: number;
  /** Deleted and recreated, and otherwise equal; counted among `equal`. */
  recreated: number;
  readonly unjudged: UnjudgedObject[];
  /** Objects that were left out, by why: `events`, `leases`. */
  readonly noise: Record<string, number>;
}

export interface ComparisonOptions {
  readonly selection: ObjectSelection;
  /** Whether no labels were asked for. */
  readonly selectsAll: boolean;
  /** Noise counts, too. */
  readonly all: boolean;
  /** Whether objects of snapshots are compared in groups, so that not all that differ are in memory at once. */
  readonly inGroups: boolean;
  /** Of custom resources. */
  readonly types: ReadonlyMap<string, ValueType>;
  readonly report: (difference: ObjectDifference) => Promise<void> | void;
  readonly signal?: AbortSignal;
  readonly progress?: ProgressSink;
}

export interface Comparison {
  readonly counts: ComparisonCounts;
  /** Compares all of two sides. Parts are to follow one another in the order in which objects are listed. */
  add(before: Side, after: Side): Promise<void>;
  /** Counts objects that both sides have alike. */
  countEqual(objects: ObjectCounts): void;
}

export function createComparison(options: ComparisonOptions): Comparison {
  const { selection, selectsAll, all, inGroups, report, signal } = options;
  const counts: ComparisonCounts = {
    added: 0,
    removed: 0,
    changed: 0,
    equal: 0,
    recreated: 0,
    unjudged: [],
    noise: {},
  };
  const step = startProgress(options.progress);
  const turn = createTurns(signal);

  const addNoise = (noise: string, count: number): void => {
    if (count > 0) counts.noise[noise] = (counts.noise[noise] ?? 0) + count;
  };
  const addPath = async (path: string, before: Side, after: Side): Promise<void> => {
    const like = before.versionAt(path) ?? after.versionAt(path);
    const noise = all ? undefined : noisyPath(path);
    const isQuick = noise === undefined && !all && selectsAll;
    const [left, right] = [before.range?.(path), after.range?.(path)];
    const quick = isQuick && left && right && (await differingEntries(left, right, path, selection, signal));
    if (quick) counts.equal += quick.equal;
    if (!inGroups) {
      const one = quick ? defined(before.openEntries)(path, quick.one) : await before.open(path, like);
      const two = quick ? defined(after.openEntries)(path, quick.two) : await after.open(path, like);
      await addEntries(path, noise, one, two);
      return;
    }
    const paired = quick || { one: left?.entries ?? [], two: right?.entries ?? [] };
    for (const group of entryGroups(path, left, right, paired)) {
      const one = defined(before.openEntries)(path, group.one);
      const two = defined(after.openEntries)(path, group.two);
      await addEntries(path, noise, one, two);
    }
  };
  const addEntries = async (
    path: string,
    noise: string | undefined,
    one: ReadonlyMap<string, SideEntry>,
    two: ReadonlyMap<string, SideEntry>,
  ): Promise<void> => {
    const names = [...new Set([...one.keys(), ...two.keys()])].filter((rest) => selection.takes(path, rest));
    if (noise !== undefined) {
      addNoise(noise, names.length);
      return;
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
      const difference = diffEntry(path, rest, old, found, options, counts);
      if (difference === undefined) continue;
      counts[difference.change]++;
      differences.push(difference);
    }
    differences.sort((a, b) => compare(a.namespace ?? "", b.namespace ?? "") || compare(a.name, b.name));
    for (const difference of differences) await report(difference);
  };
  return {
    counts,
    async add(before, after) {
      const paths = [...new Set([...before.paths, ...after.paths])]
        .filter((path) => selection.takesPath(path))
        .sort(compare);
      for (const path of paths) await addPath(path, before, after);
    },
    countEqual(objects) {
      for (const [path, count] of objects) {
        const noise = all ? undefined : noisyPath(path);
        if (noise === undefined) counts.equal += count;
        else addNoise(noise, count);
      }
    },
  };
}

function diffEntry(
  path: string,
  rest: string,
  one: SideEntry | undefined,
  two: SideEntry | undefined,
  { types, selection, selectsAll, all }: ComparisonOptions,
  counts: ComparisonCounts,
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

/** Counts objects, and reports how many from time to time. */
function startProgress(progress: ProgressSink | undefined): () => number {
  let done = 0;
  return () => {
    done++;
    if (done % 512 === 0) progress?.({ step: "comparing", done, unit: "objects" });
    return done;
  };
}
