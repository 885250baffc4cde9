/**
 * Two snapshots that hold more keys than are indexed at once. A first sweep of each tells which keys may differ at all;
 * a second one indexes these. Where they are still too many, there are several parts, each with a sweep of both.
 */
import { forgetSeparators, type LeafMap } from "../../bolt/leaf-map.ts";
import { defined } from "../../errors/defined.ts";
import { hashSeed } from "../../mvcc/hash-seed.ts";
import { createKeySums, differingBuckets, type KeySums } from "../../mvcc/key-sums.ts";
import { chooseFoundPrefix } from "../../snapshot/find-cluster-prefix.ts";
import { mayIndexAll } from "../../snapshot/index-size.ts";
import { objectParts } from "../../snapshot/object-parts.ts";
import { readStoreInfo, type Snapshot } from "../../snapshot/open-snapshot.ts";
import {
  type Keyspace,
  mapKeyLeaves,
  readCompactRevision,
  readKeyspace,
  selectKeys,
  showKeyspace,
  surelyHasIndexSize,
  sweepLeaves,
} from "../../snapshot/read-keyspace.ts";
import { sweptBefore } from "../../snapshot/swept-before.ts";
import type { ObjectChoice } from "../../storage/choose-objects.ts";
import type { EncryptionConfig } from "../../storage/encryption-config.ts";
import { DEFAULT_ETCD_PREFIX, findEtcdPrefixes, normalizeEtcdPrefix } from "../../storage/etcd-prefix.ts";
import type { ObjectCounts } from "../../storage/object-counts.ts";
import type { ObjectScope } from "../../storage/object-scope.ts";
import type { Moment } from "./moment.ts";
import type { Side } from "./side.ts";
import { type SideSource, type SnapshotSideOptions, showSide } from "./snapshot-side.ts";

export interface PairFile {
  readonly snapshot: Snapshot;
  readonly moment: Moment;
  /** The leaves, where they were found already. */
  readonly map?: LeafMap;
}

export interface PairOptions extends SnapshotSideOptions {
  readonly config: EncryptionConfig | undefined;
  /** Whether objects whose values are the same in both need not be looked at. */
  readonly byValues: boolean;
  /** Entries of a part, about. */
  readonly mostIndexed?: number;
}

export interface PairPart {
  readonly before: Side;
  readonly after: Side;
  /** Live objects that are the same in both, and are in no part; told with the first part. */
  readonly equal: ObjectCounts;
}

export interface LargePair {
  /** What has the definitions of custom resources, and nothing else. */
  readonly definitions: readonly [Side, Side];
  /** Parts that follow one another in the order in which objects are listed. To be called once. */
  parts(scope: ObjectScope): AsyncGenerator<PairPart>;
}

/** Of both files together: an index of so many, and what is made of it, takes about 150 MB. */
const PART_ENTRIES = 600_000;

/** The leaves of a snapshot whose index may not fit into memory; undefined where it surely does. */
export function mapLarge(snapshot: Snapshot, mostIndexed?: number): LeafMap | undefined {
  return mostIndexed === undefined && surelyHasIndexSize(snapshot) ? undefined : mapKeyLeaves(snapshot);
}

/** Whether an index of all keys fits into memory. */
export function fitsIndex({ bolt }: Snapshot, map: LeafMap | undefined, mostIndexed?: number): boolean {
  return map === undefined || mayIndexAll(bolt, map, mostIndexed);
}

/** Throws what `openSnapshotSide` throws once a file is open. */
export async function surveyPair([one, two]: readonly [PairFile, PairFile], options: PairOptions): Promise<LargePair> {
  let sums = options.byValues ? createKeySums() : undefined;
  const before = await survey(one, sums, false, options);
  const after = await survey(two, sums, true, options);
  return {
    definitions: [before.definitions, after.definitions],
    async *parts(scope) {
      // A key below another prefix is another key.
      const among = before.prefix === after.prefix && sums ? differingBuckets(sums) : undefined;
      sums = undefined;
      const choiceOf = ({ prefix }: SurveyedFile) => ({ prefix, scope, ...(among && { among }) });
      const files = [before, after].map((file) => ({
        bolt: file.snapshot.bolt,
        map: file.map,
        choice: choiceOf(file),
      }));
      const { finishedCompact: compactRevision } = readStoreInfo(before.snapshot);
      let countOthers = among && { compactRevision };
      for (const bounds of objectParts(files, options.mostIndexed ?? PART_ENTRIES)) {
        const keyspace = await readPart(
          before,
          { ...choiceOf(before), bounds, ...(countOthers && { countOthers }) },
          options,
        );
        const other = await readPart(after, { ...choiceOf(after), bounds }, options);
        yield { before: showSide(before, keyspace), after: showSide(after, other), equal: keyspace.others };
        countOthers = undefined;
      }
    },
  };
}

interface SurveyedFile extends SideSource {
  readonly map: LeafMap;
  readonly definitions: Side;
}

async function survey(
  { snapshot, moment, map = mapKeyLeaves(snapshot) }: PairFile,
  sums: KeySums | undefined,
  isSecond: boolean,
  options: PairOptions,
): Promise<SurveyedFile> {
  const at = moment.atRevision === undefined ? {} : { atRevision: moment.atRevision };
  const flag = options.etcdPrefix === undefined ? undefined : normalizeEtcdPrefix(options.etcdPrefix);
  const likely = flag ?? DEFAULT_ETCD_PREFIX;
  const { finishedCompact, scheduledCompact } = readStoreInfo(snapshot);
  const spec = {
    signs: true,
    index: { select: [definitionsBelow(likely)], seed: hashSeed(), ...at },
    ...(sums && { keySums: { sums, isSecond, ...at, doubtful: [finishedCompact, scheduledCompact] as const } }),
  };
  const swept = await sweepLeaves(snapshot, map, spec, options);
  forgetSeparators(map);
  const reading = { ...options, ...at };
  const prefixes = findEtcdPrefixes(defined(swept.signs)).map((found) => found.prefix);
  const prefix = await chooseFoundPrefix(snapshot, prefixes, flag, reading, map);
  const source = { snapshot: sweptBefore(snapshot), moment, prefix, config: options.config };
  const keyspace =
    prefix === likely
      ? showKeyspace(
          snapshot,
          { result: defined(swept.index), compactRevision: readCompactRevision(snapshot) },
          moment.atRevision,
        )
      : await readKeyspace(source.snapshot, { ...reading, select: [definitionsBelow(prefix)] }, map);
  return { ...source, map, definitions: showSide(source, keyspace) };
}

function definitionsBelow(prefix: string) {
  return selectKeys(`${prefix}/apiextensions.k8s.io/customresourcedefinitions/`);
}

function readPart(
  { snapshot, moment: { atRevision }, map }: SurveyedFile,
  objects: ObjectChoice,
  { signal, progress }: PairOptions,
): Promise<Keyspace> {
  const shown = { ...(signal && { signal }), ...(progress && { progress }) };
  return readKeyspace(snapshot, { ...shown, objects, ...(atRevision === undefined ? {} : { atRevision }) }, map);
}
