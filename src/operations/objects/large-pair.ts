/**
 * Two snapshots that hold more keys than are indexed at once. A first sweep of each tells which keys may differ at all;
 * a second one indexes these. Where they are still too many, there are several parts, each with a sweep of both.
 */
import type { LeafMap } from "../../bolt/leaf-map.ts";
import { defined } from "../../errors/defined.ts";
import { hashSeed } from "../../mvcc/hash-seed.ts";
import type { KeySelection } from "../../mvcc/index-task.ts";
import { createKeySums, differingBuckets, type KeySums } from "../../mvcc/key-sums.ts";
import { choosePrefix } from "../../snapshot/choose-etcd-prefix.ts";
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
import { DEFAULT_ETCD_PREFIX, findEtcdPrefixes, normalizeEtcdPrefix, PREFIX_SIGNS } from "../../storage/etcd-prefix.ts";
import type { ObjectCounts } from "../../storage/object-counts.ts";
import type { ObjectScope } from "../../storage/object-scope.ts";
import type { Moment } from "./moment.ts";
import type { Side } from "./side.ts";
import { type SideSource, type SnapshotSideOptions, showSide } from "./snapshot-side.ts";

export interface PairFile {
  readonly snapshot: Snapshot;
  readonly moment: Moment;
}

export interface PairOptions extends SnapshotSideOptions {
  readonly config: EncryptionConfig | undefined;
  /** Whether objects whose values are the same in both need not be looked at. */
  readonly byValues: boolean;
  /** Entries of a part, about. */
  readonly mostIndexed?: number;
}

interface PairPart {
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
const PART_ENTRIES = 500_000;

/** Whether an index of all keys surely fits into memory. The leaves are found for it, where that is not known without them. */
export function fitsIndex(snapshot: Snapshot, mostIndexed?: number): boolean {
  if (mostIndexed === undefined && surelyHasIndexSize(snapshot)) return true;
  return mayIndexAll(
    snapshot.bolt,
    mapKeyLeaves(snapshot, () => {}, false),
    mostIndexed,
  );
}

/** Throws what `openSnapshotSide` throws once a file is open. */
export async function surveyPair([one, two]: readonly [PairFile, PairFile], options: PairOptions): Promise<LargePair> {
  let sums = options.byValues
    ? createKeySums(Math.max(...[one, two].map(({ snapshot }) => snapshot.bolt.source.size)))
    : undefined;
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
  { snapshot, moment }: PairFile,
  sums: KeySums | undefined,
  isSecond: boolean,
  options: PairOptions,
): Promise<SurveyedFile> {
  const at = moment.atRevision === undefined ? {} : { atRevision: moment.atRevision };
  const flag = options.etcdPrefix === undefined ? undefined : normalizeEtcdPrefix(options.etcdPrefix);
  const likely = flag ?? DEFAULT_ETCD_PREFIX;
  const { finishedCompact, scheduledCompact } = readStoreInfo(snapshot);
  // Without the keys that leaves begin with: the maps of two large files are in memory.
  const map = mapKeyLeaves(snapshot, snapshot.findings.report, false);
  const spec = {
    signs: true,
    index: { select: clusterKeys(likely), seed: hashSeed(), ...at },
    ...(sums && { keySums: { sums, isSecond, ...at, doubtful: [finishedCompact, scheduledCompact] as const } }),
  };
  const { signs, index } = await sweepLeaves(snapshot, map, spec, options);
  const again = sweptBefore(snapshot);
  const prefixes = prefixesIn(defined(signs));
  const isLikely = prefixes.every((prefix) => prefix === likely);
  const keyspace = isLikely
    ? showKeyspace(
        snapshot,
        { result: defined(index), compactRevision: readCompactRevision(snapshot) },
        moment.atRevision,
      )
    : await readKeyspace(again, { ...options, ...at, select: prefixes.flatMap(clusterKeys) }, map);
  await snapshot.threads.release();
  // A prefix whose keys are not there at the revision holds no cluster.
  const searched = { path: snapshot.file.path, findings: snapshot.findings };
  const prefix = choosePrefix(prefixesIn(keyspace.keys()), flag, searched);
  const source = { snapshot: again, moment, prefix, config: options.config };
  return { ...source, map, definitions: showSide(source, keyspace) };
}

/** The keys that every cluster has, and the definitions of custom resources. */
function clusterKeys(prefix: string): KeySelection[] {
  return [
    selectKeys(`${prefix}/apiextensions.k8s.io/customresourcedefinitions/`),
    ...PREFIX_SIGNS.map((sign) => selectKeys(`${prefix}${sign}`, true)),
  ];
}

function prefixesIn(keys: Iterable<Uint8Array>): string[] {
  return findEtcdPrefixes(keys).map(({ prefix }) => prefix);
}

async function readPart(
  { snapshot, moment: { atRevision }, map }: SurveyedFile,
  objects: ObjectChoice,
  { signal, progress }: PairOptions,
): Promise<Keyspace> {
  const shown = { ...(signal && { signal }), ...(progress && { progress }) };
  const at = atRevision === undefined ? {} : { atRevision };
  const keyspace = await readKeyspace(snapshot, { ...shown, objects, ...at }, map);
  await snapshot.threads.release();
  return keyspace;
}
