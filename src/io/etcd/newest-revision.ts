/** How far the clients of an etcd member can have seen, from its data directory alone. */

import { readBolt } from "../../bolt/bolt.ts";
import { readSmallBucket } from "../../bolt/edit.ts";
import { MendError } from "../../errors/errors.ts";
import { newestRevision as newestInDatabase } from "../../mvcc/newest-revision.ts";
import { readLog } from "../../wal/log.ts";
import { openFileSource } from "../files/file-source.ts";
import { openMemberDirectory } from "./member-directory.ts";

export interface NewestRevision {
  /** An upper bound: what the database holds, and a revision for each entry of the log behind it. Null where that cannot be determined. */
  readonly revision: number | null;
  readonly fault: string | null;
}

/** Never throws for what is in the directory: a member that was killed while it wrote is what this is for. */
export function newestRevision(dataDir: string): NewestRevision {
  try {
    using member = openMemberDirectory(dataDir);
    if (member.database === undefined) return { revision: null, fault: "it has no database" };
    const { revision, index } = readDatabase(member.database);
    const log = readLog(member.segments);
    const last = Math.max(index, ...log.fragments.map(({ entries }) => entries.at(-1)?.index ?? 0));
    // A log that ends in the middle of a write is what a killed member leaves; one that is damaged elsewhere may have lost more.
    const broken = log.breaks.find(({ kind }) => kind !== "torn");
    const fault = broken === undefined ? null : `the log is damaged: ${broken.text}`;
    return { revision: fault === null ? revision + last - index : null, fault };
  } catch (error) {
    if (!(error instanceof MendError)) throw error;
    return { revision: null, fault: error.message };
  }
}

function readDatabase(path: string): { readonly revision: number; readonly index: number } {
  const source = openFileSource(path);
  try {
    const bolt = readBolt(source);
    const meta = readSmallBucket(bolt, "meta") ?? [];
    const stored = meta.find(([key]) => Buffer.from(key).toString() === "consistent_index")?.[1];
    const index = stored?.length === 8 ? Number(Buffer.from(stored).readBigUInt64BE()) : 0;
    return { revision: newestInDatabase(bolt), index };
  } finally {
    source.close();
  }
}

/** Peer URLs of all members that a member's database knows; empty where it cannot be read. */
export function knownPeerUrls(dataDir: string): string[] {
  try {
    using member = openMemberDirectory(dataDir);
    if (member.database === undefined) return [];
    const source = openFileSource(member.database);
    try {
      const entries = readSmallBucket(readBolt(source), "members") ?? [];
      return entries.flatMap(([, value]) => peerUrlsOf(value)).sort();
    } finally {
      source.close();
    }
  } catch (error) {
    if (!(error instanceof MendError)) throw error;
    return []; // what is wrong with it is said by newestRevision
  }
}

/** A member as etcd stores it: `{"id":1,"peerURLs":["https://10.0.0.1:2380"],"name":"m1"}`. */
function peerUrlsOf(value: Uint8Array): string[] {
  try {
    const { peerURLs } = JSON.parse(Buffer.from(value).toString()) as { peerURLs?: unknown };
    return Array.isArray(peerURLs) ? peerURLs.filter((url) => typeof url === "string") : [];
  } catch {
    return [];
  }
}
