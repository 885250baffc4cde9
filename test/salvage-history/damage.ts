/** What happens to data dirs: each piece of damage is done by places, so that what is still whole is known without reading it. */
import type { Random } from "../damage/mutate.ts";
import type { ModelMember } from "./raft-model.ts";
import { type ImageRecord, type ImageSegment, segmentBytes } from "./wal-image.ts";

/** A segment's file after the damage. */
export interface DamagedSegment {
  readonly image: ImageSegment;
  bytes: Uint8Array;
  isMissing: boolean;
  isUnreadable: boolean;
  /** Bytes that are not what was written: from, to. */
  readonly harmed: (readonly [from: number, to: number])[];
}

/** A data dir as a salvage finds it. */
export interface DamagedMember {
  readonly member: ModelMember;
  readonly segments: readonly DamagedSegment[];
  /** Entries that its databases have taken in; empty where there is no sound one. */
  databases: readonly number[];
  hasSnapshots: boolean;
  readonly damage: string[];
}

export const KINDS = [
  "torn",
  "cut",
  "zeroed",
  "flipped",
  "segment missing",
  "segment empty",
  "segment unreadable",
  "WAL gone",
  "database gone",
  "database older",
  "raft snapshots gone",
] as const;
export type DamageKind = (typeof KINDS)[number];

export function stopped(member: ModelMember): DamagedMember {
  return {
    member,
    segments: member.wal.segments.map((image) => ({
      image,
      bytes: segmentBytes(image),
      isMissing: false,
      isUnreadable: false,
      harmed: [],
    })),
    databases: [member.database, ...(member.received === undefined ? [] : [member.received])],
    hasSnapshots: true,
    damage: [],
  };
}

export function harm(data: DamagedMember, kind: DamageKind, random: Random): void {
  const last = data.segments.at(-1)!;
  const any = data.segments[random.next(data.segments.length)]!;
  data.damage.push(kind);
  switch (kind) {
    case "torn": {
      // A crash leaves the last write half done: its end is missing, or zero.
      const record = last.image.records.at(-1 - random.next(Math.min(3, last.image.records.length)))!;
      const at = record.start + 1 + random.next(record.end - record.start - 1);
      if (random.next(2) === 0) cut(last, at);
      else zero(last, at, last.bytes.length);
      return;
    }
    case "cut":
      cut(any, random.next(any.bytes.length + 1));
      return;
    case "zeroed": {
      const from = random.next(any.bytes.length + 1);
      zero(any, from, Math.min(any.bytes.length, from + 1 + random.next(1500)));
      return;
    }
    case "flipped": {
      if (any.bytes.length === 0) return;
      const at = random.next(any.bytes.length);
      any.bytes = any.bytes.slice();
      any.bytes[at]! ^= 1 << random.next(8);
      any.harmed.push([at, at + 1]);
      return;
    }
    case "segment missing":
      any.isMissing = true;
      return;
    case "segment empty":
      if (random.next(2) === 0) cut(any, 0);
      else zero(any, 0, any.bytes.length);
      return;
    case "segment unreadable":
      any.isUnreadable = true;
      return;
    case "WAL gone":
      for (const segment of data.segments) segment.isMissing = true;
      return;
    case "database gone":
      data.databases = [];
      return;
    case "database older": {
      const older = data.member.olderDatabases;
      if (older.length > 0) data.databases = [older[random.next(older.length)]!];
      return;
    }
    case "raft snapshots gone":
      data.hasSnapshots = false;
      return;
  }
}

function cut(segment: DamagedSegment, at: number): void {
  segment.harmed.push([at, segment.image.size]);
  segment.bytes = segment.bytes.slice(0, at);
}

function zero(segment: DamagedSegment, from: number, to: number): void {
  segment.bytes = segment.bytes.slice();
  segment.bytes.fill(0, from, to);
  segment.harmed.push([from, Math.max(to, from)]);
}

/** Whether every byte of a record is what was written. */
export function isIntact(segment: DamagedSegment, record: ImageRecord): boolean {
  if (segment.isMissing || segment.isUnreadable) return false;
  return segment.harmed.every(([from, to]) => to <= record.start || from >= record.end);
}
