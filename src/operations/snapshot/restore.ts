/** `snapshot restore`: a snapshot becomes the data dir of a new member, from which a stock etcd starts. */

import { randomUUID } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { readBolt } from "../../bolt/bolt.ts";
import type { ByteSink } from "../../bolt/page-output.ts";
import { type Leftovers, restoreNotes, restoreSteps } from "../../diagnosis/after-restore.ts";
import { defined } from "../../errors/defined.ts";
import { type Finding, MendError } from "../../errors/errors.ts";
import { type EtcdUser, findEtcdUser } from "../../io/etcd/etcd-user.ts";
import { openMemberDirectory } from "../../io/etcd/member-directory.ts";
import type { FileSystem, OutputFile } from "../../io/files/durable/file-system.ts";
import { descriptorSource } from "../../io/files/file-source.ts";
import { ownUid } from "../../io/node/own-identity.ts";
import { newestRevision } from "../../mvcc/newest-revision.ts";
import { checkStructure } from "../../snapshot/check-structure.ts";
import { type HashVerdict, hashCopied } from "../../snapshot/hash-snapshot.ts";
import { openSnapshot, readStoreInfo, type Snapshot, type SnapshotOptions } from "../../snapshot/open-snapshot.ts";
import type { EncryptionConfig } from "../../storage/encryption-config.ts";
import { normalizeEtcdPrefix } from "../../storage/etcd-prefix.ts";
import { lastEntry, readLog } from "../../wal/log.ts";
import { formatMemberId, type Membership } from "../../wal/membership.ts";
import type { ClusterFlags } from "../cluster-access/open-cluster.ts";
import { checkAllowed } from "./allowed-findings.ts";
import { compareCluster } from "./compare-cluster.ts";
import { endedLeasesNote } from "./ended-leases.ts";
import { findLeftovers, leftoverSelection } from "./find-leftovers.ts";
import { type RefusalOptions, refuseFindings, remarks } from "./refuse-findings.ts";
import { rewriteDatabase } from "./restore-keyspace.ts";
import { createRestoreTarget } from "./restore-target.ts";
import { editDatabase, type MembershipOptions, planMembership, sameMembers, writeLog } from "./restored-membership.ts";
import { hasSurgery, type SurgeryEdit, type SurgeryRequest } from "./surgery-request.ts";

export interface RestoreOptions extends SnapshotOptions, MembershipOptions, RefusalOptions {
  readonly dataDir: string;
  readonly walDir?: string;
  /** Move a data dir that is there aside. */
  readonly replace?: boolean;
  /** When this run began, in milliseconds since the epoch. */
  readonly startedAt?: number;
  /** Check pages, revisions and key-values, but not that objects decode. */
  readonly skipObjectCheck?: boolean;
  /** Raises the newest revision by so many and marks everything before it compacted; 0 for neither. */
  readonly bumpRevision?: number;
  readonly atRevision?: number;
  readonly excludeKeys?: readonly string[];
  readonly compact?: boolean;
  /** Objects that are removed, set, or taken from another snapshot: one more revision. */
  readonly surgery?: SurgeryRequest;
  /** The path of an EncryptionConfiguration, for {@link surgery}. */
  readonly encryptionConfig?: string;
  /** Where in etcd the Kubernetes cluster is; found unless given. */
  readonly etcdPrefix?: string;
  /** The cluster that is to be restored, where it still answers. */
  readonly cluster?: ClusterFlags;
  /** With its keys, encrypted objects are checked too. */
  readonly encryption?: EncryptionConfig;
  /** Check everything, and write nothing. */
  readonly dryRun?: boolean;
  /** For tests: the layer below. */
  readonly fileSystem?: FileSystem;
}

export interface RestoreResult {
  /** Whether nothing was written: then all else says what would have been. */
  readonly dryRun: boolean;
  readonly dataDir: string;
  readonly walDir: string | null;
  /** Where the old data dir went, and an old WAL dir beside it. */
  readonly movedAside: string | null;
  readonly walMovedAside: string | null;
  readonly name: string;
  /** In hex, as etcdctl prints ids. */
  readonly memberId: string;
  readonly clusterId: string;
  readonly members: readonly { readonly id: string; readonly name: string; readonly peerUrls: readonly string[] }[];
  /** The newest revision in the new data dir. */
  readonly revision: number;
  /** The newest revision in the snapshot. */
  readonly snapshotRevision: number;
  readonly sha256: HashVerdict;
  /** Versions of keys that were left out, where the keyspace was rewritten. */
  readonly droppedVersions: number;
  /** Left out, because the lease that each was attached to at the revision asked for has ended since. */
  readonly keysOfEndedLeases: readonly string[];
  /** Objects that were changed on the way, without their values. */
  readonly edits: readonly Omit<SurgeryEdit, "key" | "value">[];
  readonly findings: readonly Finding[];
  /** What to look after in the restored cluster. */
  readonly notes: readonly Finding[];
  /** What to do next, in order. */
  readonly steps: readonly string[];
}

/** Throws `snapshot-refused` with the first finding where the snapshot is not sound; nothing is at the target then. */
export async function restoreSnapshot(path: string, given: RestoreOptions): Promise<RestoreResult> {
  const { etcdPrefix } = given;
  checkAllowed(given.allow ?? []);
  const options = etcdPrefix === undefined ? given : { ...given, etcdPrefix: normalizeEtcdPrefix(etcdPrefix) };
  const membership = await planMembership(options);
  const own = defined(membership.members.find((member) => member.name === options.name));
  using target = createRestoreTarget(options);
  const isUnchanged = !needsRewrite(options) && !mayEdit(options);
  const isComposedThere = options.dryRun !== true && isUnchanged;
  const reading = { ...options, sparesCaller: true }; // this thread copies and hashes
  using snapshot = await openSnapshot(
    path,
    isComposedThere ? { ...reading, composeInto: target.composeInto } : reading,
  );
  const { cluster } = options;
  const live = cluster === undefined ? undefined : await compareCluster(snapshot, cluster, options);
  for (const finding of options.encryption?.findings ?? []) snapshot.findings.report(finding);
  const { source, descriptor } = snapshot.file;
  const writer = await target.open(source.size, isUnchanged ? descriptor : undefined);
  // The disk takes it while the rest is being checked; what is written later is small.
  let taking: Promise<OutputFile | undefined> = Promise.resolve(undefined);
  const hashing = hashCopied(snapshot.file, (add) => {
    taking = target.takeDatabase(snapshot, add);
    return taking;
  });
  const work = [
    taking,
    checkStructure(snapshot, { ...options, objects: options.skipObjectCheck !== true }, leftoverSelection(options)),
    hashing.verdict,
  ] as const;
  for (const each of work) each.catch(() => hashing.stop()); // where one fails or is interrupted, the verdict does not matter
  await Promise.allSettled(work);
  await hashing.stop();
  const [db, checked, sha256] = await Promise.all(work);
  refuseFindings(snapshot, sha256, options);
  const snapshotRevision = newestRevision(snapshot.bolt);
  let revision = snapshotRevision;
  let droppedVersions = 0;
  let keysOfEndedLeases: readonly string[] = [];
  let bolt = snapshot.bolt;
  const edits = await planEdits(snapshot, path, options);
  if (needsRewrite(options) || edits.length > 0) {
    const { atRevision, exclude = [], compact = false } = options;
    const excludeKeys = (options.excludeKeys ?? []).map((key) => Buffer.from(key));
    const when = atRevision === undefined ? {} : { atRevision };
    const what = { ...options, exclude, excludeKeys, compact, edits, ...when };
    db?.truncate(0);
    const rewritten = await rewriteDatabase(snapshot, db ?? NOWHERE, what);
    keysOfEndedLeases = rewritten.keysOfEndedLeases.map((key) => Buffer.from(key).toString());
    revision = rewritten.revision;
    droppedVersions = rewritten.dropped;
    if (db !== undefined) bolt = readBolt(descriptorSource(db.descriptor, db.path, rewritten.size));
  }
  const removed = edits.filter(({ value }) => value === undefined).map(({ key }) => Buffer.from(key).toString("utf8"));
  const leftOut = [...(options.excludeKeys ?? []), ...keysOfEndedLeases, ...removed];
  const { leftovers, notes } = await findLeftovers(snapshot, checked, { ...options, excludeKeys: leftOut });
  const endedLeases = endedLeasesNote(keysOfEndedLeases, revision);
  const seen = live?.revision ?? (await newestKnownRevision(options));
  const needed = seen === undefined ? BUMP_FOR_THE_UNKNOWN : Math.max(seen, snapshotRevision) - revision;
  if (writer !== undefined && db !== undefined) {
    editDatabase(bolt, db, membership, revision, options.bumpRevision ?? 0);
    writeLog(writer, membership, own.id);
  }
  revision += options.bumpRevision ?? 0;
  const isSame = sameMembers(snapshot, membership);
  const findings = [...snapshot.findings.list(), ...remarks(snapshot)];
  options.signal?.throwIfAborted();
  const moved = writer === undefined ? { dataDir: null, walDir: null } : await writer.commit();
  return {
    dryRun: writer === undefined,
    dataDir: options.dataDir,
    walDir: options.walDir ?? null,
    movedAside: moved.dataDir,
    walMovedAside: moved.walDir,
    name: own.name,
    memberId: formatMemberId(own.id),
    clusterId: formatMemberId(membership.clusterId),
    members: membership.members.map(({ id, name, peerUrls }) => ({ id: formatMemberId(id), name, peerUrls })),
    revision,
    snapshotRevision,
    sha256,
    droppedVersions,
    keysOfEndedLeases,
    edits: edits.map(({ key: _key, value: _value, ...rest }) => rest),
    findings,
    ...whatNext(leftovers, options, membership, needed, needsOwner(options), [
      ...(live?.notes ?? []),
      ...notes,
      ...(endedLeases === undefined ? [] : [endedLeases]),
      ...isSame,
    ]),
  };
}

/** Where a dry run writes. */
const NOWHERE: ByteSink = { write() {} };

function mayEdit({ surgery }: RestoreOptions): boolean {
  return surgery !== undefined && hasSurgery(surgery);
}

async function planEdits(snapshot: Snapshot, path: string, options: RestoreOptions): Promise<SurgeryEdit[]> {
  const { surgery } = options;
  if (surgery === undefined || !mayEdit(options)) return [];
  const { planSurgery } = await import("./surgery.ts");
  const edits = await planSurgery(snapshot, path, surgery, { ...options, now: Date.now, makeUid: randomUUID });
  return edits.filter(({ action }) => action !== "same");
}

/** etcd's own advice where nobody knows how far the cluster had come: a billion, which takes years to reach. */
const BUMP_FOR_THE_UNKNOWN = 1_000_000_000;

function whatNext(
  leftovers: Leftovers,
  options: RestoreOptions,
  membership: Membership,
  needed: number,
  owner: EtcdUser | undefined,
  notes: readonly Finding[],
): Pick<RestoreResult, "notes" | "steps"> {
  const others = membership.members.filter((member) => member.name !== options.name);
  const isRaised = (options.bumpRevision ?? 0) > 0;
  return {
    notes: [...notes, ...restoreNotes(leftovers, isRaised || needed <= 0 ? undefined : needed)],
    steps: restoreSteps(
      leftovers,
      others.map((member) => member.name),
      owner === undefined ? undefined : { ...owner, directories: directoriesOf(options) },
    ),
  };
}

function directoriesOf({ dataDir, walDir }: RestoreOptions): string[] {
  return walDir === undefined ? [dataDir] : [dataDir, walDir];
}

/** Whom the data dir is to be given to: what was there before says it itself. */
function needsOwner({ dataDir }: RestoreOptions): EtcdUser | undefined {
  return existsSync(dataDir) && statSync(dataDir).uid !== ownUid() ? undefined : findEtcdUser(dataDir);
}

/**
 * At most this revision did the cluster reach, as the data dir that is moved aside tells: every entry behind its
 * database makes one at most.
 */
async function newestKnownRevision({ replace, dataDir, walDir }: RestoreOptions): Promise<number | undefined> {
  if (replace !== true || !existsSync(join(dataDir, "member"))) return undefined;
  try {
    using directory = openMemberDirectory(dataDir, existsSync(join(dataDir, "member/wal")) ? undefined : walDir);
    if (directory.database === undefined) return undefined;
    using old = await openSnapshot(directory.database);
    const { consistentIndex = 0 } = readStoreInfo(old);
    const lastIndex = lastEntry(readLog(directory.segments))?.index ?? 0;
    return newestRevision(old.bolt) + Math.max(0, lastIndex - consistentIndex);
  } catch (error) {
    if (error instanceof MendError && error.code !== "internal") return undefined; // it is being replaced because it is broken
    throw error;
  }
}

function needsRewrite(options: RestoreOptions): boolean {
  return (
    options.atRevision !== undefined ||
    (options.exclude?.length ?? 0) > 0 ||
    (options.excludeKeys?.length ?? 0) > 0 ||
    options.compact === true
  );
}
