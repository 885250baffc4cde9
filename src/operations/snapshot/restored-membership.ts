/** The new cluster of a restore: its members, by the flags, written into the database and into a log of its own. */
import { randomBytes } from "node:crypto";
import type { BoltFile } from "../../bolt/bolt.ts";
import { type BucketEdit, editBolt, readSmallBucket } from "../../bolt/edit.ts";
import { type Finding, MendError } from "../../errors/errors.ts";
import { input } from "../../errors/input.ts";
import type { DataDirWriter } from "../../io/etcd/data-dir-writer.ts";
import type { OutputFile } from "../../io/files/durable/file-system.ts";
import { resolveHosts } from "../../io/network/resolve-hosts.ts";
import { encodeRevision } from "../../mvcc/revision.ts";
import { readStoreInfo, type Snapshot } from "../../snapshot/open-snapshot.ts";
import { formatMemberId, type Membership, newMembership } from "../../wal/membership.ts";
import { newClusterBuckets, newClusterLog } from "../../wal/new-cluster.ts";
import { checkMemberInCluster, hostsToResolve, parseInitialCluster, parsePeerUrls } from "../../wal/peer-urls.ts";
import { encodeRaftSnapshot } from "../../wal/raft-snapshot.ts";
import { formatSnapshotName } from "../../wal/segment-name.ts";
import { createWalWriter, SEGMENT_SIZE } from "../../wal/writer.ts";

/** As etcd's flags of the same names. */
export interface MembershipOptions {
  readonly name: string;
  readonly initialCluster: string;
  readonly initialClusterToken: string;
  readonly initialAdvertisePeerUrls: string;
  /** Prefixes of keys that are left out of the restored keyspace. */
  readonly exclude?: readonly string[];
}

/** The members that the flags name. Throws `usage` for what etcd refuses. */
export async function planMembership(options: MembershipOptions): Promise<Membership> {
  if (options.exclude?.includes("") === true) {
    throw new MendError("usage", `${input("exclude")} has an empty prefix, which every key begins with`, {
      hint: `name what is to be left out, such as ${input("exclude")} /registry/events/`,
    });
  }
  const cluster = parseInitialCluster(options.initialCluster);
  const advertised = parsePeerUrls(options.initialAdvertisePeerUrls.split(","), input("initialAdvertisePeerUrls"));
  const addresses = await resolveHosts(hostsToResolve(options.name, advertised, cluster));
  checkMemberInCluster(options.name, advertised, cluster, addresses);
  return newMembership(cluster, options.initialClusterToken);
}

/** An id is made of peer URLs and the token: with both as they were, an old member takes a restored one for the member that it knew. */
export function sameMembers(snapshot: Snapshot, membership: Membership): Finding[] {
  const { members } = readStoreInfo(snapshot);
  const old = new Set(members.map((member) => member.id));
  const same = membership.members.filter((member) => old.has(formatMemberId(member.id)));
  if (same.length === 0 || members.length < 2) return [];
  const names = same.map((member) => `"${member.name}"`).join(", ");
  const text =
    `${names} will have the id that it has in the snapshot's cluster: a member of the old cluster that still ` +
    "runs would continue with it, and take back everything that is restored; give every member the same new " +
    `token, such as ${input("initialClusterToken")} restored-${randomBytes(4).toString("hex")}`;
  return [{ level: "warning", code: "member-ids-unchanged", where: input("initialClusterToken"), text }];
}

/** Gives the database its new members and, where asked for, its higher revision. */
export function editDatabase(
  bolt: BoltFile,
  db: OutputFile,
  membership: Membership,
  revision: number,
  bump: number,
): void {
  const bumped = revision + bump;
  const compacted = bump > 0 ? encodeRevision({ main: bumped, sub: 0, tombstone: false }) : undefined;
  const meta = readSmallBucket(bolt, "meta") ?? [];
  const edits: Map<string, BucketEdit> = newClusterBuckets(membership, meta, compacted);
  // etcdutl writes the same entry: a revision without a key.
  if (compacted !== undefined) edits.set("key", { append: [compacted, new Uint8Array(0)] });
  db.truncate(editBolt(bolt, db, edits));
}

/** The first segment of the new cluster's log, and the raft snapshot that it starts from. */
export function writeLog(writer: DataDirWriter, membership: Membership, nodeId: bigint): void {
  const log = newClusterLog(membership);
  const segments: OutputFile[] = [];
  const wal = createWalWriter({ nodeId, clusterId: membership.clusterId }, (name) => {
    const file = writer.createInWal(name);
    segments.push(file);
    return file;
  });
  wal.mark({ index: 0, term: 0, confState: undefined });
  for (const entry of log.entries) wal.entry(entry);
  wal.state(log.state);
  wal.mark(log.mark);
  wal.finish();
  for (const segment of segments) segment.truncate(SEGMENT_SIZE);
  const { term, index } = log.snapshot;
  writer.createInSnap(formatSnapshotName(term, index)).write(encodeRaftSnapshot(log.snapshot), 0);
}
