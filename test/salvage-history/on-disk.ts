/**
 * A scenario as data dirs that a real etcd could have left: the same bytes of the logs, and databases and raft
 * snapshots with what they hold.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createBoltWriter } from "../../src/bolt/writer.ts";
import { encodeKeyValue } from "../../src/mvcc/key-value.ts";
import { encodeRevision } from "../../src/mvcc/revision.ts";
import { encodeMember, encodeMemberStore, formatMemberId } from "../../src/wal/membership.ts";
import { bigEndian } from "../../src/wal/new-cluster.ts";
import { votersOnly } from "../../src/wal/raft.ts";
import { encodeRaftSnapshot } from "../../src/wal/raft-snapshot.ts";
import { formatSnapshotName } from "../../src/wal/segment-name.ts";
import type { Scenario } from "./check.ts";
import type { DamagedMember } from "./damage.ts";
import { asMember, configurationAt, type History } from "./raft-model.ts";

/** The database that came with a raft snapshot from the leader, kept until it is taken over as `db`. */
function sentDatabase(index: number): string {
  return `${index.toString(16).padStart(16, "0")}.snap.db`;
}

/** Returns the data dirs, in the scenario's order. */
export function writeScenario({ history, survivors, hasTerms }: Scenario, directory: string): string[] {
  return survivors.map((data) => {
    const dataDir = join(directory, data.member.name);
    const [wal, snap] = [join(dataDir, "member/wal"), join(dataDir, "member/snap")];
    for (const folder of [wal, snap]) mkdirSync(folder, { recursive: true });
    writeLog(data, wal);
    data.databases.forEach((index, i) => {
      writeFileSync(join(snap, i === 0 ? "db" : sentDatabase(index)), databaseBytes(history, index, hasTerms));
    });
    for (const { index, term } of data.hasSnapshots ? data.member.snapshots : []) {
      const { voters, learners, members } = membersAt(history, index);
      const snapshot = {
        index,
        term,
        confState: { ...votersOnly(voters), learners },
        data: encodeMemberStore(members),
      };
      writeFileSync(join(snap, formatSnapshotName(term, index)), encodeRaftSnapshot(snapshot));
    }
    return dataDir;
  });
}

function writeLog({ segments }: DamagedMember, wal: string): void {
  for (const { image, bytes, isMissing, isUnreadable } of segments) {
    if (isMissing) continue;
    // Root may read every file, but nobody reads a directory as one.
    if (isUnreadable) mkdirSync(join(wal, image.name));
    else writeFileSync(join(wal, image.name), bytes);
  }
}

function membersAt(history: History, index: number) {
  const { voters, learners, removed } = configurationAt(history.committed, index);
  const members = history.members
    .filter(({ id }) => voters.includes(id) || learners.includes(id))
    .map((member) => asMember(member, learners.includes(member.id)));
  return { voters, learners, removed, members };
}

function databaseBytes(history: History, index: number, hasTerms: boolean): Uint8Array {
  const { members, removed } = membersAt(history, index);
  const entries = history.committed.slice(0, index);
  const text = (value: string): Uint8Array => Buffer.from(value);
  const buckets: Record<string, (readonly [Uint8Array, Uint8Array])[]> = {
    alarm: [],
    auth: [],
    authRoles: [],
    authUsers: [],
    cluster: index === 0 ? [] : [[text("clusterVersion"), text(hasTerms ? "3.5.0" : "3.4.0")]],
    key: entries
      .filter((entry) => entry.key !== undefined)
      .map((entry, i) => {
        const main = i + 2;
        const place = { createRevision: main, modRevision: main, version: 1, lease: 0n };
        const value = encodeKeyValue({ key: text(entry.key!), value: text("v"), ...place });
        return [encodeRevision({ main, sub: 0, tombstone: false }), value] as const;
      }),
    lease: [],
    members: members.map((member) => [text(formatMemberId(member.id)), encodeMember(member)] as const),
    members_removed: removed.map((id) => [text(formatMemberId(id)), text("removed")] as const),
    meta: [
      ["consistent_index", bigEndian(index)] as const,
      ...(hasTerms && index > 0 ? [["term", bigEndian(entries.at(-1)!.term)] as const] : []),
    ].map(([key, value]) => [text(key), value] as const),
  };
  const parts: { bytes: Uint8Array; at: number }[] = [];
  const writer = createBoltWriter(
    { write: (bytes, at) => void parts.push({ bytes: bytes.slice(), at }) },
    { inlineBuckets: false },
  );
  for (const [name, pairs] of Object.entries(buckets).sort(([a], [b]) => (a < b ? -1 : 1))) {
    writer.openBucket(text(name));
    for (const [key, value] of pairs.toSorted(([a], [b]) => Buffer.compare(a, b))) writer.put(key, value);
    writer.closeBucket();
  }
  const database = new Uint8Array(writer.finish());
  for (const part of parts) database.set(part.bytes, part.at);
  return database;
}
