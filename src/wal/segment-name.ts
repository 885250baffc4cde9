/** Names of WAL segments and raft snapshots: two 64-bit numbers in 16 hexadecimal digits each. */
import { defined } from "../errors/defined.ts";

export interface SegmentName {
  /** Counts up by one from segment to segment. */
  readonly sequence: number;
  /** The raft index that the segment's first entry has at least. */
  readonly firstIndex: number;
}

const hex = (value: number): string => value.toString(16).padStart(16, "0");

export function formatSegmentName(name: SegmentName): string {
  return `${hex(name.sequence)}-${hex(name.firstIndex)}.wal`;
}

/** Undefined for any other file: a temporary segment (`0.tmp`), a broken one (`.broken`). */
export function parseSegmentName(file: string): SegmentName | undefined {
  const numbers = parsePair(file, "wal");
  return numbers && { sequence: numbers[0], firstIndex: numbers[1] };
}

export function formatSnapshotName(term: number, index: number): string {
  return `${hex(term)}-${hex(index)}.snap`;
}

export function parseSnapshotName(file: string): { readonly term: number; readonly index: number } | undefined {
  const numbers = parsePair(file, "snap");
  return numbers && { term: numbers[0], index: numbers[1] };
}

function parsePair(file: string, extension: string): readonly [number, number] | undefined {
  const match = /^([0-9a-f]{16})-([0-9a-f]{16})\.([a-z]+)$/.exec(file);
  if (match === null || match[3] !== extension) return undefined;
  const first = Number.parseInt(defined(match[1]), 16);
  const second = Number.parseInt(defined(match[2]), 16);
  return Number.isSafeInteger(first) && Number.isSafeInteger(second) ? [first, second] : undefined;
}
